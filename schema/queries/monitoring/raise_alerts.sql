-- Records the alerts that hold (:kinds, :subjects, :messages, of equal length). An existing alert gets the new message
-- without being sent again; one that had passed, but whose all clear was not sent yet, is active again.
-- Relies on alert_pkey.
INSERT INTO outbox.alert (kind, subject, message)
SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[], %(messages)s::text[])
ON CONFLICT (kind, subject) DO UPDATE
SET message = excluded.message, passed_at = NULL, due_at = CASE WHEN alert.passed_at IS NULL THEN alert.due_at END
WHERE alert.passed_at IS NOT NULL OR alert.message <> excluded.message
