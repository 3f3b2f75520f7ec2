-- Takes note of what holds (:kinds, :subjects, :messages, of equal length). Of what is noted already the message becomes
-- the new one, without being told again; what had passed without anybody having been told of that goes on.
-- Relies on alert_pkey.
INSERT INTO outbox.alert (kind, subject, message)
SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[], %(messages)s::text[])
ON CONFLICT (kind, subject) DO UPDATE
SET message = excluded.message, passed_at = NULL, due_at = CASE WHEN alert.passed_at IS NULL THEN alert.due_at END
WHERE alert.passed_at IS NOT NULL OR alert.message <> excluded.message
