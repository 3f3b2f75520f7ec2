-- Enqueues re-sends and finishes the merges that led to them, in one statement. A revision that exists already (from another
-- dispatcher, a backfill or a requeue) is not created twice. The time of the first attempt is kept as if its outcome were
-- unknown, so that the destination gets no repeat that it would count. Returns how many were enqueued.
-- Relies on revision_pkey, merge_pkey. :resends is a JSON array of event_id, destination, revision, first_at, sent_as.
WITH shared AS (
    SELECT FROM outbox.lease WHERE false FOR UPDATE -- see exclude_dispatchers
), given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(resends)s)
        AS given (event_id bigint, destination smallint, revision smallint, first_at timestamptz, sent_as jsonb)
), decided AS (
    INSERT INTO outbox.revision (event_id, destination, revision, reason)
    SELECT given.event_id, destination, revision, 'merge'
    -- An event that was erased or deleted since it was examined is not sent again.
    FROM given JOIN outbox.event ON event.id = given.event_id AND event.notes IS DISTINCT FROM '{erased}'
    ON CONFLICT (event_id, destination, revision) DO NOTHING
    RETURNING event_id, destination, revision
), enqueued AS (
    INSERT INTO outbox.delivery (event_id, destination, revision, due_at, first_unknown_at, sent_as)
    SELECT event_id, destination, revision, outbox.clock(), first_at, sent_as
    FROM decided JOIN given USING (event_id, destination, revision)
), done AS (
    DELETE FROM outbox.merge WHERE event_id = ANY (%(done)s)
), later AS (
    UPDATE outbox.merge SET due_at = outbox.clock() + %(pause)s, losses = 0 WHERE event_id = ANY (%(later)s)
)
SELECT count(*) FROM decided
