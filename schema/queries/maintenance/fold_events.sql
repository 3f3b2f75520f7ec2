-- Folds some events into the fragments, as settle_events does. JSON arrays: :fragments of account_id, handl_id, lead_id,
-- groups; :facts of event_id, at and the same three keys. Only under exclude_dispatchers. Relies on fragment_pkey.
WITH fragments AS (
    INSERT INTO outbox.fragment (account_id, handl_id, lead_id, groups)
    SELECT account_id, handl_id, lead_id, groups
    FROM jsonb_to_recordset(%(fragments)s) AS given (account_id text, handl_id text, lead_id text, groups jsonb)
    ON CONFLICT (account_id, handl_id, lead_id) DO UPDATE SET groups = outbox.merge_fragments(fragment.groups, excluded.groups)
    RETURNING id, account_id, handl_id, lead_id
), facts AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(%(facts)s) AS fact (event_id bigint, at bigint, account_id text, handl_id text, lead_id text)
), fragment_events AS (
    INSERT INTO outbox.fragment_event (fragment_id, event_id)
    SELECT fragments.id, facts.event_id FROM facts JOIN fragments USING (account_id, handl_id, lead_id)
)
INSERT INTO outbox.sign_in (kind, key, at, event_id, account_id)
SELECT kind, key, at, event_id, account_id
FROM facts, LATERAL (VALUES (2, handl_id), (3, lead_id)) AS used (kind, key)
WHERE account_id <> '' AND key <> ''
