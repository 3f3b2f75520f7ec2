-- Folds some events into the fragments, as settle_events does. JSON arrays as there: :fragments, :marks.
-- Only under exclude_dispatchers. Relies on fragment_pkey, fragment_key_pkey, fragment_event_pkey, click_pkey, key_mark_pkey.
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(fragments)s)
        AS given (id uuid, is_public boolean, account_id text, handl_id text, lead_id text, emails text, phones text,
                  groups jsonb, known jsonb, keys jsonb, events jsonb, clicks jsonb)
), fragments AS (
    INSERT INTO outbox.fragment (id, is_public, account_id, handl_id, lead_id, emails, phones, groups, known)
    SELECT id, is_public, account_id, handl_id, lead_id, emails, phones, groups, known FROM given
    ON CONFLICT (id) DO UPDATE SET groups = outbox.merge_fragments(fragment.groups, excluded.groups),
                                   known = outbox.merge_known(fragment.known, excluded.known)
), keys AS (
    INSERT INTO outbox.fragment_key (fragment_id, kind, is_public, key)
    SELECT id, (entry ->> 0)::smallint, is_public, entry ->> 1 FROM given, jsonb_array_elements(keys) AS entry
    ON CONFLICT DO NOTHING
), fragment_events AS (
    INSERT INTO outbox.fragment_event (fragment_id, at, event_id)
    SELECT id, (entry ->> 0)::bigint, (entry ->> 1)::bigint FROM given, jsonb_array_elements(events) AS entry
    ON CONFLICT DO NOTHING
), clicks AS (
    INSERT INTO outbox.click (fragment_id, grade, digest, at, event_id)
    SELECT id, (entry ->> 0)::smallint, (entry ->> 1)::bigint, (entry ->> 2)::bigint, (entry ->> 3)::bigint
    FROM given, jsonb_array_elements(clicks) AS entry
    ON CONFLICT (fragment_id, grade, digest) DO UPDATE SET at = excluded.at, event_id = excluded.event_id
    WHERE (excluded.at, excluded.event_id) < (click.at, click.event_id)
)
INSERT INTO outbox.key_mark (digest, refusals)
SELECT outbox.key_digest(kind, key), refusals
FROM jsonb_to_recordset(%(marks)s) AS mark (kind smallint, key text, refusals jsonb)
ON CONFLICT (digest) DO UPDATE SET refusals = outbox.merge_fragments(key_mark.refusals, excluded.refusals)
