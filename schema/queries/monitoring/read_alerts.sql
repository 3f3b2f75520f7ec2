-- Returns all alerts and whether they are active; those that are not wait to be sent: an all clear, or a daily message.
-- alert holds a few rows.
SELECT kind, subject, message, passed_at IS NULL AND kind <> 'message' AS holds FROM outbox.alert
