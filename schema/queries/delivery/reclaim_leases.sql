-- Takes back expired leases: their process died with its supervisor, or lost its connection. What was leased for sending may
-- have been sent, so its outcome is unknown as of the time of the claim. Nobody knows which lease the process died of, so
-- their rows are claimed in smaller parts from now on, but none fails for it (losses stop at :most). Returns the number of
-- rows taken back. Takes nothing after :until, and never a lease of :held (dispatcher.delivery.lease_watch). lease holds only a few
-- rows, so expires_at needs no index.
WITH expired AS MATERIALIZED (
    DELETE FROM outbox.lease
    WHERE id = ANY (ARRAY(
        SELECT id FROM outbox.lease
        WHERE expires_at < outbox.clock() AND outbox.clock() <= %(until)s AND id <> ALL (%(held)s::bigint[])
        ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED))
    RETURNING *
), rows AS MATERIALIZED (
    SELECT expired.destination, expired.claimed_at, greatest(losses, least(losses + 1, %(most)s)) AS losses, rows.*
    FROM expired,
         unnest(event_ids, revisions, tries, first_unknown_ats, sent_as) AS rows (event_id, revision, tries, first_unknown_at, sent_as)
), intakes AS (
    INSERT INTO outbox.intake (event_id, losses) SELECT event_id, losses FROM rows WHERE destination IS NULL
), deliveries AS (
    INSERT INTO outbox.delivery (destination, due_at, event_id, revision, tries, losses, first_unknown_at, sent_as)
    SELECT destination, outbox.clock(), event_id, revision, least(tries + 1, 32767), losses, coalesce(first_unknown_at, claimed_at), sent_as
    FROM rows WHERE destination IS NOT NULL
), attempts AS (
    INSERT INTO outbox.attempt (event_id, at, destination, revision, try, outcome, reason, sent_as)
    SELECT event_id, claimed_at, destination, revision, least(tries + 1, 32767), 'uncertain', 'lease expired', sent_as
    FROM rows WHERE destination IS NOT NULL
    ON CONFLICT (event_id, destination, revision, try) DO NOTHING -- tries stop at the largest smallint
)
SELECT count(*) FROM rows
