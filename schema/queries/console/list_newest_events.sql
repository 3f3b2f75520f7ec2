-- The newest :limit events before id :before, of step :step (NULL: any) among the newest :most, newest first.
-- Relies on event_pkey, read backwards.
SELECT id, occurred_at, recorded_at, name, event_id
FROM (
    SELECT id, occurred_at, recorded_at, name, event_id
    FROM outbox.event WHERE id < %(before)s ORDER BY id DESC LIMIT %(most)s
) AS newest
WHERE %(step)s::text IS NULL OR name = %(step)s
ORDER BY id DESC LIMIT %(limit)s
