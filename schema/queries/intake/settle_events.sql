-- Settles an intake lease in one statement: writes the sealed persons, deletes the raw ones, folds the events into the
-- fragments, and enqueues the deliveries. The lease row is the fence, so each event is folded once and only a fragment can
-- exist already. Returns the number of events settled.
-- Relies on lease_pkey, event_pkey, raw_pkey, fragment_pkey, fragment_key_pkey, fragment_event_pkey, click_pkey, key_mark_pkey.
--
-- JSON arrays: :sealed of event_id, sealed, notes; :pending of destination, due_at, event_ids; :skipped of destination, reason,
-- event_ids; :failed: event ids that end as failed everywhere; :fragments of id, is_public, the keys, groups, known, keys
-- ([kind, key]), events ([at, id]), clicks ([grade, digest, at, id]); :marks of kind, key, refusals.
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
        AS given (id uuid, is_public boolean, account_id text, handl_id text, lead_id text, emails text, phones text,
                  groups jsonb, known jsonb, keys jsonb, events jsonb, clicks jsonb)
    -- Every dispatcher locks the fragments in the same order, so that two cannot deadlock.
    ORDER BY id
), fragments AS (
    INSERT INTO outbox.fragment (id, is_public, account_id, handl_id, lead_id, emails, phones, groups, known)
    SELECT id, is_public, account_id, handl_id, lead_id, emails, phones, groups, known FROM given
    ON CONFLICT (id) DO UPDATE SET groups = outbox.merge_fragments(fragment.groups, excluded.groups),
                                   known = outbox.merge_known(fragment.known, excluded.known)
    RETURNING id, xmax = 0 AS is_new
), fragment_keys AS (
    INSERT INTO outbox.fragment_key (fragment_id, kind, is_public, key)
    SELECT given.id, (entry ->> 0)::smallint, is_public, entry ->> 1
    FROM given JOIN fragments ON fragments.id = given.id AND is_new, jsonb_array_elements(keys) AS entry
    ON CONFLICT DO NOTHING
), fragment_events AS (
    INSERT INTO outbox.fragment_event (fragment_id, at, event_id)
    SELECT id, (entry ->> 0)::bigint, (entry ->> 1)::bigint FROM given, jsonb_array_elements(events) AS entry
), clicks AS (
    INSERT INTO outbox.click (fragment_id, grade, digest, at, event_id)
    SELECT id, (entry ->> 0)::smallint, (entry ->> 1)::bigint, (entry ->> 2)::bigint, (entry ->> 3)::bigint
    FROM given, jsonb_array_elements(clicks) AS entry
    ON CONFLICT (fragment_id, grade, digest) DO UPDATE SET at = excluded.at, event_id = excluded.event_id
    WHERE (excluded.at, excluded.event_id) < (click.at, click.event_id)
), marks AS (
    INSERT INTO outbox.key_mark (digest, refusals)
    SELECT outbox.key_digest(kind, key), refusals
    FROM held, jsonb_to_recordset(%(marks)s) AS mark (kind smallint, key text, refusals jsonb)
    ORDER BY 1
    ON CONFLICT (digest) DO UPDATE SET refusals = outbox.merge_fragments(key_mark.refusals, excluded.refusals)
), merges AS (
    INSERT INTO outbox.merge (event_id)
    SELECT DISTINCT (events -> 0 ->> 1)::bigint
    FROM given JOIN fragments USING (id)
    WHERE is_new AND NOT is_public AND known IS NULL AND jsonb_array_length(keys) + (account_id <> '')::int > 1
    ON CONFLICT DO NOTHING
)
SELECT coalesce(sum(cardinality(event_ids)), 0)::bigint FROM held
