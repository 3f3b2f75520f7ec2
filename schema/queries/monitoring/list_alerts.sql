-- Returns the active alerts, the newest first, without daily messages that wait to be sent. The table holds a few rows.
SELECT kind, subject, message, raised_at FROM outbox.alert
WHERE passed_at IS NULL AND kind <> 'message'
ORDER BY raised_at DESC, kind, subject
