-- Takes back every delivery lease, expired or not, as reclaim_leases does: what was leased may have been sent, so its outcome
-- is unknown as of the time of the claim. Intake leases stay: their events are not folded yet. Returns the number of rows
-- taken back. Only under exclude_dispatchers.
WITH taken AS MATERIALIZED (
    DELETE FROM outbox.lease WHERE destination IS NOT NULL RETURNING *
), rows AS MATERIALIZED (
    SELECT taken.destination, taken.claimed_at, rows.*
    FROM taken, unnest(event_ids, revisions, tries, first_unknown_ats, sent_as) AS rows (event_id, revision, tries, first_unknown_at, sent_as)
), deliveries AS (
    INSERT INTO outbox.delivery (destination, due_at, event_id, revision, tries, first_unknown_at, sent_as)
    SELECT destination, outbox.clock(), event_id, revision, least(tries + 1, 32767), coalesce(first_unknown_at, claimed_at), sent_as FROM rows
    ON CONFLICT DO NOTHING
), attempts AS (
    INSERT INTO outbox.attempt (event_id, at, destination, revision, try, outcome, reason, sent_as)
    SELECT event_id, claimed_at, destination, revision, least(tries + 1, 32767), 'uncertain', 'lease taken by rebuild', sent_as FROM rows
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM rows
