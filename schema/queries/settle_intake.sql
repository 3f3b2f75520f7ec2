-- Settles an intake lease: writes the sealed persons, deletes the raw ones, and owes the deliveries, in one statement.
-- The lease row is the fence. Returns how many events were settled. Relies on lease_pkey, event_pkey, raw_pkey.
--
-- :sealed is a JSON array of event_id, sealed, notes; :owed of event_id, destination, due_at; :skipped of event_id,
-- destination, reason.
WITH held AS MATERIALIZED (
    DELETE FROM outbox.lease WHERE id = %(lease)s AND holder = %(holder)s RETURNING event_ids
), fold AS MATERIALIZED (
    SELECT unnest(event_ids) AS event_id FROM held
), sealed AS (
    UPDATE outbox.event
    SET sealed = given.sealed,
        notes = CASE WHEN given.notes <> '{}' THEN coalesce(event.notes, '{}') || given.notes ELSE event.notes END
    FROM jsonb_to_recordset(%(sealed)s) AS given (event_id bigint, sealed jsonb, notes text[]) JOIN fold USING (event_id)
    WHERE event.id = given.event_id
), forgotten AS (
    DELETE FROM outbox.raw WHERE event_id = ANY (ARRAY(SELECT event_id FROM fold))
), owed AS (
    INSERT INTO outbox.delivery (event_id, destination, due_at)
    SELECT event_id, destination, due_at
    FROM jsonb_to_recordset(%(owed)s) AS given (event_id bigint, destination smallint, due_at timestamptz)
    JOIN fold USING (event_id)
), skipped AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT event_id, destination, 0, 0, 'skipped', reason
    FROM jsonb_to_recordset(%(skipped)s) AS given (event_id bigint, destination smallint, reason text)
    JOIN fold USING (event_id)
)
SELECT count(*) FROM fold
