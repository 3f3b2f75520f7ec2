-- Removes what is pending of some events from the queues and the leases, with a receipt each; an event that waits for intake
-- is pending at every destination. An intake lease is dissolved, because its holder has folded its events together: its
-- other events wait for intake again. Returns the number of receipts. Reads the deliveries and leases once.
-- Only under exclude_dispatchers. Relies on intake_pkey.
WITH queued AS (
    DELETE FROM outbox.delivery WHERE event_id = ANY (%(ids)s::bigint[]) RETURNING event_id, destination, revision, tries
), unclaimed AS (
    DELETE FROM outbox.intake WHERE event_id = ANY (%(ids)s::bigint[]) RETURNING event_id
), held AS MATERIALIZED (
    SELECT lease.id, lease.destination, lease.losses, held.*, held.event_id = ANY (%(ids)s::bigint[]) AS is_erased
    FROM outbox.lease,
         unnest(event_ids, revisions, tries, first_unknown_ats, sent_as) AS held (event_id, revision, tries, first_unknown_at, sent_as)
    WHERE event_ids && %(ids)s::bigint[]
), kept AS MATERIALIZED (
    SELECT id, array_agg(event_id) AS event_ids, array_agg(revision) AS revisions, array_agg(tries) AS tries,
           array_agg(first_unknown_at) AS first_unknown_ats, array_agg(sent_as) AS sent_as
    FROM held WHERE destination IS NOT NULL AND NOT is_erased GROUP BY id
), shortened AS (
    UPDATE outbox.lease
    SET event_ids = kept.event_ids, revisions = kept.revisions, tries = kept.tries,
        first_unknown_ats = kept.first_unknown_ats, sent_as = kept.sent_as
    FROM kept WHERE lease.id = kept.id
), dissolved AS (
    DELETE FROM outbox.lease WHERE id IN (SELECT id FROM held) AND id NOT IN (SELECT id FROM kept)
), returned AS (
    INSERT INTO outbox.intake (event_id, losses) SELECT event_id, losses FROM held WHERE destination IS NULL AND NOT is_erased
), pending AS (
    SELECT event_id, destination, revision, tries FROM queued
    UNION ALL
    SELECT event_id, destination, revision, tries FROM held WHERE destination IS NOT NULL AND is_erased
    UNION ALL
    SELECT event_id, destination.id, 0, 0
    FROM (
        SELECT event_id FROM unclaimed UNION ALL SELECT event_id FROM held WHERE held.destination IS NULL AND is_erased
    ) AS waiting, outbox.destination
), receipts AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT event_id, destination, revision, tries, 'skipped', 'erased' FROM pending
    ON CONFLICT (event_id, destination, revision) DO NOTHING
    RETURNING event_id
)
SELECT count(*) FROM receipts
