-- Takes what is to be told now, for one teller: another gets it only if this one has not said within :again that it was
-- told. alert holds a few rows, and is looked through.
UPDATE outbox.alert SET due_at = outbox.clock() + %(again)s
WHERE (kind, subject) IN (
    SELECT kind, subject FROM outbox.alert WHERE due_at <= outbox.clock() ORDER BY raised_at LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING kind, subject, message, raised_at, passed_at
