-- Claims up to :limit merges for a minute: whoever claims them deletes them (resend) when they are dealt with, else they
-- are due again. Relies on merge_pkey; merges are few and short-lived.
UPDATE outbox.merge SET due_at = outbox.clock() + interval '1 minute'
WHERE event_id = ANY (ARRAY(
    SELECT event_id FROM outbox.merge WHERE due_at <= outbox.clock() ORDER BY event_id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED))
RETURNING event_id
