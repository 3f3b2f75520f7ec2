-- Removes the fragments that hold no event of the log, at the end of a rebuild. Only under exclude_dispatchers.
WITH gone AS (
    DELETE FROM outbox.fragment WHERE groups -> 0 ->> 2 = 'first' RETURNING id
)
DELETE FROM outbox.fragment_event
WHERE fragment_id IN (SELECT id FROM gone) OR NOT EXISTS (SELECT FROM outbox.fragment WHERE fragment.id = fragment_id)
