-- Settles an intake lease: writes the sealed persons, deletes the raw ones, folds the events into the facets, and owes
-- the deliveries, in one statement. The lease row is the fence. Returns how many events were settled.
-- Relies on lease_pkey, event_pkey, raw_pkey, facet_pkey.
--
-- JSON arrays: :sealed of event_id, sealed, notes; :owed of event_id, destination, due_at; :skipped of event_id,
-- destination, reason; :facets of account_id, handl_id, lead_id, newest; :facts of event_id, at and the same three keys.
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
), facets AS (
    INSERT INTO outbox.facet (account_id, handl_id, lead_id, newest)
    SELECT account_id, handl_id, lead_id, newest
    FROM jsonb_to_recordset(%(facets)s) AS given (account_id text, handl_id text, lead_id text, newest jsonb)
    WHERE EXISTS (SELECT FROM held)
    -- In one order for every dispatcher, so that two cannot deadlock.
    ORDER BY account_id, handl_id, lead_id
    ON CONFLICT (account_id, handl_id, lead_id) DO UPDATE SET newest = outbox.newest(facet.newest, excluded.newest)
    RETURNING id, account_id, handl_id, lead_id, xmax = 0 AS is_new
), facts AS MATERIALIZED (
    SELECT fact.*
    FROM jsonb_to_recordset(%(facts)s) AS fact (event_id bigint, at bigint, account_id text, handl_id text, lead_id text)
    JOIN fold USING (event_id)
), facet_events AS (
    INSERT INTO outbox.facet_event (facet_id, event_id)
    SELECT facets.id, facts.event_id FROM facts JOIN facets USING (account_id, handl_id, lead_id)
    ON CONFLICT DO NOTHING
), sign_ins AS (
    INSERT INTO outbox.sign_in (kind, key, at, event_id, account_id)
    SELECT kind, key, at, event_id, account_id
    FROM facts, LATERAL (VALUES (2, handl_id), (3, lead_id)) AS used (kind, key)
    WHERE account_id <> '' AND key <> ''
    ON CONFLICT DO NOTHING
), merges AS (
    INSERT INTO outbox.merge (event_id)
    SELECT min(facts.event_id)
    FROM facts JOIN facets USING (account_id, handl_id, lead_id)
    WHERE is_new AND (account_id <> '')::int + (handl_id <> '')::int + (lead_id <> '')::int > 1
    GROUP BY facets.id
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM fold
