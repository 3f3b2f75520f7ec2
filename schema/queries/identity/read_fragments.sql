-- The fragments of each of some keys (:accounts, :handls, :leads), as JSON: [account, handlID, lead, groups] each. Of an
-- account come the first :key_limit in the order of their other keys, so that they are always the same ones. Of a handlID
-- or lead with more than :key_limit come none, only whether anybody signed in on it.
-- Each key comes with an event id. If that event is all that carries the key, the key gives no row: most conversions of
-- most funnels are the first of their person. With 0 every key gives one.
-- The keys are JSON objects, which a driver writes ten times faster than arrays. OFFSET 0 makes PostgreSQL look each key up
-- instead of reading a whole table into a hash. The limit stands in a SELECT of its own: if the planner knew it, a plan that
-- first collects all fragments of a key (a bitmap, a sort) could seem as good as one that stops early, and for an office
-- browser with a million fragments it is not. Relies on fragment_pkey, fragment_handl, fragment_lead, sign_in_pkey.
WITH given AS (
    SELECT 1 AS kind, key
    FROM jsonb_each(%(accounts)s) AS of (key, event_id)
    WHERE EXISTS (
        SELECT FROM outbox.fragment
        -- The fragment of the account alone has all its events. It is looked up by the whole key: by the account alone, a
        -- planner with statistics of few accounts would read the whole table.
        WHERE account_id = key AND handl_id = '' AND lead_id = ''
          AND (groups -> 0 -> 1 <> of.event_id OR (groups -> -1 -> 1)::bigint <> -of.event_id::bigint) OFFSET 0)
    UNION ALL
    SELECT 2, key
    FROM jsonb_each(%(handls)s) AS of (key, event_id)
    WHERE EXISTS (
        SELECT FROM outbox.fragment
        WHERE handl_id = key AND handl_id <> ''
          AND (groups -> 0 -> 1 <> of.event_id OR (groups -> -1 -> 1)::bigint <> -of.event_id::bigint) OFFSET 0)
    UNION ALL
    SELECT 3, key
    FROM jsonb_each(%(leads)s) AS of (key, event_id)
    WHERE EXISTS (
        SELECT FROM outbox.fragment
        WHERE lead_id = key AND lead_id <> ''
          AND (groups -> 0 -> 1 <> of.event_id OR (groups -> -1 -> 1)::bigint <> -of.event_id::bigint) OFFSET 0)
)
SELECT given.kind, given.key,
       CASE WHEN carried.fragments <= %(key_limit)s THEN carried.text END AS fragments,
       carried.fragments > %(key_limit)s
       AND EXISTS (SELECT FROM outbox.sign_in WHERE sign_in.kind = given.kind AND sign_in.key = given.key) AS is_signed_in
FROM given
CROSS JOIN LATERAL (
    SELECT count(*) AS fragments, json_agg(json_build_array(account_id, handl_id, lead_id, groups))::text AS text
    FROM (
        (SELECT * FROM outbox.fragment WHERE given.kind = 1 AND account_id = given.key
         ORDER BY account_id, handl_id, lead_id LIMIT (SELECT %(key_limit)s::bigint))
        UNION ALL
        (SELECT * FROM outbox.fragment WHERE given.kind = 2 AND handl_id = given.key AND handl_id <> ''
         LIMIT (SELECT %(key_limit)s::bigint + 1))
        UNION ALL
        (SELECT * FROM outbox.fragment WHERE given.kind = 3 AND lead_id = given.key AND lead_id <> ''
         LIMIT (SELECT %(key_limit)s::bigint + 1))
    ) AS fragment
) AS carried
