-- Settles an intake lease in one statement: writes the sealed persons, deletes the raw ones, folds the events into the
-- fragments, and enqueues the deliveries. The lease row is the fence, so each event is folded once and only a fragment can
-- exist already. Returns the number of events settled.
-- Relies on lease_pkey, event_pkey, raw_pkey, fragment_pkey.
--
-- JSON arrays: :sealed of event_id, sealed, notes; :pending of destination, due_at, event_ids; :skipped of destination, reason,
-- event_ids; :failed: event ids that end as failed everywhere; :fragments of account_id, handl_id, lead_id, groups, event_ids; :sign_ins of kind, key, at, event_id, account_id.
WITH held AS MATERIALIZED (
    DELETE FROM outbox.lease WHERE id = %(lease)s AND holder = %(holder)s RETURNING event_ids
), sealed AS (
    UPDATE outbox.event
    SET sealed = given.sealed,
        notes = nullif(coalesce(event.notes, '{}') || given.notes
                       || CASE WHEN event.id = ANY (%(failed)s::bigint[]) THEN ARRAY['event: cannot be processed'] ELSE '{}' END,
                       '{}')
    FROM held, jsonb_to_recordset(%(sealed)s) AS given (event_id bigint, sealed jsonb, notes text[])
    WHERE event.id = given.event_id
), raws AS (
    DELETE FROM outbox.raw WHERE event_id = ANY (ARRAY(SELECT unnest(event_ids) FROM held))
), pending AS (
    INSERT INTO outbox.delivery (event_id, destination, due_at)
    SELECT pending.event_id, given.destination, given.due_at
    FROM held, jsonb_to_recordset(%(pending)s) AS given (destination smallint, due_at timestamptz, event_ids bigint[]),
         unnest(given.event_ids) AS pending (event_id)
), skipped AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT skipped.event_id, given.destination, 0, 0, 'skipped', given.reason
    FROM held, jsonb_to_recordset(%(skipped)s) AS given (destination smallint, reason text, event_ids bigint[]),
         unnest(given.event_ids) AS skipped (event_id)
), failed AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT failed.event_id, destination.id, 0, 0, 'failed', 'cannot be processed'
    FROM held, unnest(%(failed)s::bigint[]) AS failed (event_id), outbox.destination
), noted AS (
    UPDATE outbox.event SET notes = coalesce(notes, '{}') || 'event: cannot be processed'::text
    FROM held
    WHERE id = ANY (%(failed)s::bigint[])
      AND id NOT IN (SELECT event_id FROM jsonb_to_recordset(%(sealed)s) AS given (event_id bigint))
), given AS MATERIALIZED (
    SELECT given.*
    FROM held, jsonb_to_recordset(%(fragments)s)
        AS given (account_id text, handl_id text, lead_id text, groups jsonb, event_ids bigint[])
    -- Every dispatcher locks the fragments in the same order, so that two cannot deadlock.
    ORDER BY account_id, handl_id, lead_id
), fragments AS (
    INSERT INTO outbox.fragment (account_id, handl_id, lead_id, groups)
    SELECT account_id, handl_id, lead_id, groups FROM given
    ON CONFLICT (account_id, handl_id, lead_id) DO UPDATE SET groups = outbox.merge_fragments(fragment.groups, excluded.groups)
    RETURNING id, account_id, handl_id, lead_id, xmax = 0 AS is_new
), folded AS MATERIALIZED (
    SELECT id, event_ids,
           is_new AND (account_id <> '')::int + (handl_id <> '')::int + (lead_id <> '')::int > 1 AS is_merge
    FROM given JOIN fragments USING (account_id, handl_id, lead_id)
), fragment_events AS (
    INSERT INTO outbox.fragment_event (fragment_id, event_id) SELECT id, unnest(event_ids) FROM folded
), sign_ins AS (
    INSERT INTO outbox.sign_in (kind, key, at, event_id, account_id)
    SELECT given.*
    FROM held, jsonb_to_recordset(%(sign_ins)s) AS given (kind smallint, key text, at bigint, event_id bigint, account_id text)
), merges AS (
    INSERT INTO outbox.merge (event_id) SELECT event_ids[1] FROM folded WHERE is_merge
)
SELECT coalesce(sum(cardinality(event_ids)), 0)::bigint FROM held
