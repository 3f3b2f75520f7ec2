-- Drops the queue and what is known of persons, for rebuild. What is pending of events of before :open (an interval) is in
-- no window any more and ends here, as their receipts may have gone (retention), and the log alone does not tell.
-- Likewise what the log does not hold any more is kept: who signed in, and when a fragment was first seen.
-- Only under exclude_dispatchers. Relies on event_pkey; reads and deletes the rest whole.
WITH pending AS (
    DELETE FROM outbox.delivery RETURNING event_id, destination, revision, tries
), closed AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT pending.event_id, destination, revision, tries, 'failed', 'window closed'
    FROM pending JOIN outbox.event ON event.id = pending.event_id
    WHERE greatest(event.occurred_at, event.recorded_at) <= outbox.clock() - %(open)s
    ON CONFLICT (event_id, destination, revision) DO NOTHING
), events AS (
    DELETE FROM outbox.fragment_event
), sign_ins AS (
    DELETE FROM outbox.sign_in WHERE EXISTS (SELECT FROM outbox.event WHERE event.id = sign_in.event_id)
), known AS MATERIALIZED (
    SELECT id, groups -> -1 AS first
    FROM outbox.fragment
    WHERE groups -> -1 ->> 2 = 'first'
      AND NOT EXISTS (SELECT FROM outbox.event WHERE event.id = -(groups -> -1 ->> 1)::bigint)
), kept AS (
    UPDATE outbox.fragment SET groups = jsonb_build_array(first) FROM known WHERE fragment.id = known.id
)
DELETE FROM outbox.fragment WHERE NOT EXISTS (SELECT FROM known WHERE known.id = fragment.id)
