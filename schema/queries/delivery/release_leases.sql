-- Releases leases of :holder, all or only :lease: those of a worker that died, or one whose batch could not be processed.
-- Rows whose sending was not begun come back as they were; the others have an unknown outcome as of the time of their claim.
-- The rows of a suspect lease have one more loss. Returns the number of rows released. lease holds a few rows only.
--
-- :leases is a JSON array of lease, is_suspect, begun: an array of [event id, revision].
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(leases)s) AS given (lease bigint, is_suspect boolean, begun jsonb)
), begun AS MATERIALIZED (
    SELECT given.lease, (pair ->> 0)::bigint AS event_id, (pair ->> 1)::smallint AS revision
    FROM given, jsonb_array_elements(given.begun) AS pair
), taken AS MATERIALIZED (
    DELETE FROM outbox.lease
    WHERE holder = %(holder)s AND (%(lease)s::bigint IS NULL OR id = %(lease)s)
    RETURNING *
), rows AS MATERIALIZED (
    SELECT taken.destination, taken.claimed_at, taken.losses + coalesce(given.is_suspect, false)::int AS losses, rows.*,
           begun.event_id IS NOT NULL AS is_begun
    FROM taken
    LEFT JOIN given ON given.lease = taken.id
    CROSS JOIN unnest(event_ids, revisions, tries, first_unknown_ats, sent_as) AS rows (event_id, revision, tries, first_unknown_at, sent_as)
    LEFT JOIN begun ON begun.lease = taken.id AND begun.event_id = rows.event_id AND begun.revision = rows.revision
), intakes AS (
    INSERT INTO outbox.intake (event_id, losses) SELECT event_id, losses FROM rows WHERE destination IS NULL
), deliveries AS (
    INSERT INTO outbox.delivery (destination, due_at, event_id, revision, tries, losses, first_unknown_at, sent_as)
    SELECT destination, outbox.clock(), event_id, revision, least(tries + is_begun::int, 32767), losses,
           CASE WHEN is_begun THEN coalesce(first_unknown_at, claimed_at) ELSE first_unknown_at END,
           CASE WHEN is_begun OR first_unknown_at IS NOT NULL THEN sent_as END
    FROM rows WHERE destination IS NOT NULL
), attempts AS (
    INSERT INTO outbox.attempt (event_id, at, destination, revision, try, outcome, reason, sent_as)
    SELECT event_id, claimed_at, destination, revision, least(tries + 1, 32767), 'uncertain', 'worker lost', sent_as
    FROM rows WHERE destination IS NOT NULL AND is_begun
    ON CONFLICT (event_id, destination, revision, try) DO NOTHING -- tries stop at the largest smallint
)
SELECT count(*) FROM rows
