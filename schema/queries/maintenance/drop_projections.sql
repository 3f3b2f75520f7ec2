-- Empties the delivery queue and the identity graph for a rebuild. A pending delivery of an event older than :open (an
-- interval) is outside every window and ends here: retention may have removed receipts that old, so the log alone does not
-- show whether it was sent. For the same reason what identity knows of events that are no longer in the log is kept: when a
-- fragment was first seen, and when its events were; key_mark is kept as a whole. Only under exclude_dispatchers. Relies on event_pkey; reads and deletes the rest whole.
WITH pending AS (
    DELETE FROM outbox.delivery RETURNING event_id, destination, revision, tries
), closed AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT pending.event_id, destination, revision, tries, 'failed', 'window closed'
    FROM pending JOIN outbox.event ON event.id = pending.event_id
    WHERE greatest(event.occurred_at, event.recorded_at) <= outbox.clock() - %(open)s
    ON CONFLICT (event_id, destination, revision) DO NOTHING
), events AS (
    DELETE FROM outbox.fragment_event WHERE EXISTS (SELECT FROM outbox.event WHERE event.id = fragment_event.event_id)
), keys AS (
    DELETE FROM outbox.fragment_key
), clicks AS (
    DELETE FROM outbox.click
), unlogged AS MATERIALIZED (
    SELECT id, groups -> -1 AS first
    FROM outbox.fragment
    WHERE groups -> -1 ->> 2 = 'first'
      AND NOT EXISTS (SELECT FROM outbox.event WHERE event.id = -(groups -> -1 ->> 1)::bigint)
), kept AS (
    UPDATE outbox.fragment SET groups = jsonb_build_array(first), known = CASE WHEN known IS NOT NULL THEN '[]'::jsonb END
    FROM unlogged WHERE fragment.id = unlogged.id
)
DELETE FROM outbox.fragment WHERE NOT EXISTS (SELECT FROM unlogged WHERE unlogged.id = fragment.id)
