-- Removes some events (:ids) from the identity graph. Parallel arrays :fragments, :ats, :events: the fragments that hold them,
-- with their positions. Keys of what is removed that stand in too many combinations are remembered as such; so are refusals.
-- Returns the fragments that remain because they hold events of others too. Only under exclude_dispatchers.
-- Relies on fragment_pkey, fragment_key_pkey, fragment_event_pkey, event_pkey, click_pkey, key_mark_pkey.
WITH given AS MATERIALIZED (
    SELECT * FROM outbox.fragment WHERE id = ANY (%(fragments)s::uuid[])
), emptied AS MATERIALIZED (
    -- Fragments with an account hold no events of others.
    SELECT * FROM given
    WHERE account_id <> ''
       OR NOT EXISTS (SELECT FROM outbox.fragment_event JOIN outbox.event ON event.id = fragment_event.event_id
                      WHERE fragment_id = given.id AND fragment_event.event_id <> ALL (%(ids)s::bigint[]))
), keys AS MATERIALIZED (
    SELECT emptied.id, emptied.is_public, used.kind, used.key
    FROM emptied, LATERAL (
        SELECT 1::smallint, account_id WHERE known IS NOT NULL
        UNION ALL SELECT 2::smallint, handl_id UNION ALL SELECT 3::smallint, lead_id
        UNION ALL SELECT 4::smallint, string_to_table(emails, ' ') UNION ALL SELECT 5::smallint, string_to_table(phones, ' ')
    ) AS used (kind, key)
    WHERE key <> ''
), marks AS (
    INSERT INTO outbox.key_mark (digest, is_over_limit)
    SELECT DISTINCT outbox.key_digest(kind, key), true
    FROM keys WHERE kind > 1 AND NOT is_public AND outbox.is_over_limit(kind, key)
    ON CONFLICT (digest) DO UPDATE SET is_over_limit = true
), fragment_keys AS (
    -- One look-up for each: planned as a join, the whole table might be read.
    DELETE FROM outbox.fragment_key
    WHERE ctid = ANY (ARRAY(
        SELECT held.ctid
        FROM keys CROSS JOIN LATERAL (
            SELECT ctid FROM outbox.fragment_key
            WHERE fragment_key.kind = keys.kind AND fragment_key.key = keys.key AND fragment_key.is_public = keys.is_public
              AND fragment_key.fragment_id = keys.id OFFSET 0) AS held))
), fragment_events AS (
    DELETE FROM outbox.fragment_event
    USING unnest(%(fragments)s::uuid[], %(ats)s::bigint[], %(events)s::bigint[]) AS gone (fragment_id, at, event_id)
    WHERE fragment_event.fragment_id = gone.fragment_id
      AND (fragment_event.at = gone.at AND fragment_event.event_id = gone.event_id
           OR fragment_event.fragment_id IN (SELECT id FROM emptied))
), clicks AS (
    DELETE FROM outbox.click USING emptied WHERE fragment_id = emptied.id
), removed AS (
    DELETE FROM outbox.fragment USING emptied WHERE fragment.id = emptied.id
)
SELECT id, account_id, handl_id, lead_id, emails, phones, is_public, groups FROM given WHERE id NOT IN (SELECT id FROM emptied)
