-- Takes note of what holds (:kinds, :subjects, :messages, of equal length). What is noted already stays as it is, and
-- what had passed without anybody having been told of that goes on. Relies on alert_pkey.
INSERT INTO outbox.alert (kind, subject, message)
SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[], %(messages)s::text[])
ON CONFLICT (kind, subject) DO UPDATE SET passed_at = NULL, due_at = NULL WHERE alert.passed_at IS NOT NULL
