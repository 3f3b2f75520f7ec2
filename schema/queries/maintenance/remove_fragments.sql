-- Removes some fragments (:ids) if they were not seen again since :before (microseconds). Keys of theirs that stand in too
-- many combinations are remembered as such. Returns the number of fragments. Only under exclude_dispatchers.
-- Relies on fragment_pkey, fragment_key_pkey, fragment_event_pkey, click_pkey, key_mark_pkey.
WITH gone AS MATERIALIZED (
    SELECT * FROM outbox.fragment WHERE id = ANY (%(ids)s::uuid[]) AND (groups -> 0 ->> 0)::bigint < %(before)s
), keys AS MATERIALIZED (
    SELECT gone.id, gone.is_public, used.kind, used.key
    FROM gone, LATERAL (
        SELECT 1::smallint, account_id WHERE known IS NOT NULL
        UNION ALL SELECT 2::smallint, handl_id UNION ALL SELECT 3::smallint, lead_id
        UNION ALL SELECT 4::smallint, string_to_table(emails, ' ') UNION ALL SELECT 5::smallint, string_to_table(phones, ' ')
    ) AS used (kind, key)
    WHERE key <> ''
), marks AS (
    INSERT INTO outbox.key_mark (digest, is_over_limit)
    SELECT DISTINCT outbox.key_digest(kind, key), true
    FROM keys
    WHERE kind > 1 AND NOT is_public AND outbox.is_over_limit(kind, key)
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
), events AS (
    DELETE FROM outbox.fragment_event USING gone WHERE fragment_id = gone.id
), clicks AS (
    DELETE FROM outbox.click USING gone WHERE fragment_id = gone.id
), removed AS (
    DELETE FROM outbox.fragment USING gone WHERE fragment.id = gone.id RETURNING fragment.id
)
SELECT count(*) AS fragments FROM removed
