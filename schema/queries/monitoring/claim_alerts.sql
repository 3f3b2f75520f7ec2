-- Claims the alerts and messages that are due, for one dispatcher: another one gets them only if this one has not recorded
-- within :again that they were sent. alert holds a few rows and is scanned.
UPDATE outbox.alert SET due_at = outbox.clock() + %(again)s
WHERE (kind, subject) IN (
    SELECT kind, subject FROM outbox.alert WHERE due_at <= outbox.clock() ORDER BY raised_at LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING kind, subject, message, raised_at, passed_at
