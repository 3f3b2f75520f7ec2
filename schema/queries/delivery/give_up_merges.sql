-- Ends merges that took down every process that looked at them: nothing is sent again for them. Returns how many.
-- Relies on merge_pkey, event_pkey.
WITH shared AS (
    SELECT FROM outbox.lease WHERE false FOR UPDATE -- see exclude_dispatchers
), ended AS (
    DELETE FROM outbox.merge WHERE event_id = ANY (%(ids)s) RETURNING event_id
), noted AS (
    UPDATE outbox.event SET notes = coalesce(notes, '{}') || 'merge: cannot be processed, nothing was sent again'::text
    WHERE id IN (SELECT event_id FROM ended)
)
SELECT count(*) FROM ended
