-- All that is noted, and whether it holds; what does not waits to be told: that it is over, or a daily message. alert holds
-- a few rows.
SELECT kind, subject, message, passed_at IS NULL AND kind <> 'message' FROM outbox.alert
