-- Drops the queue and what is known of persons, for rebuild. What is owed of events of before :open (an interval) is in
-- no window any more and ends here, as their receipts may have gone (retention), and the log alone does not tell.
-- Likewise what the log does not hold any more is kept: who signed in, and when a facet was first seen.
-- Only under exclude_dispatchers. Relies on event_pkey; reads and deletes the rest whole.
WITH owed AS (
    DELETE FROM outbox.delivery RETURNING event_id, destination, revision, tries
), closed AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT owed.event_id, destination, revision, tries, 'dead', 'window closed'
    FROM owed JOIN outbox.event ON event.id = owed.event_id
    WHERE greatest(event.occurred_at, event.recorded_at) <= outbox.clock() - %(open)s
    ON CONFLICT (event_id, destination, revision) DO NOTHING
), events AS (
    DELETE FROM outbox.facet_event
), sign_ins AS (
    DELETE FROM outbox.sign_in WHERE EXISTS (SELECT FROM outbox.event WHERE event.id = sign_in.event_id)
), known AS MATERIALIZED (
    SELECT id, groups -> -1 AS first
    FROM outbox.facet
    WHERE groups -> -1 ->> 2 = 'first'
      AND NOT EXISTS (SELECT FROM outbox.event WHERE event.id = -(groups -> -1 ->> 1)::bigint)
), kept AS (
    UPDATE outbox.facet SET groups = jsonb_build_array(first) FROM known WHERE facet.id = known.id
)
DELETE FROM outbox.facet WHERE NOT EXISTS (SELECT FROM known WHERE known.id = facet.id)
