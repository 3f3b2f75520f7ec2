-- The fragments of each of some keys (:accounts, :handls, :leads; of an account in the order of their other keys, so that it
-- is always the same ones), as JSON: [account, handlID, lead, groups] each. Of a handlID or lead of more than :key_limit none,
-- but whether anybody signed in on it. Each key comes with an event: if that is all that carries the key, nothing comes of
-- it; most conversions of most funnels are the first of their person, and all that is known of it. With 0 all come.
-- The keys are JSON objects, which a driver writes ten times faster than arrays. That each is looked up, never a table read
-- as a whole into a hash, is what OFFSET 0 is for. The limit stands in a SELECT of its own: were it known, a plan that first
-- collects all fragments of a key (a bitmap, a sort) might seem as good as one that stops, and for an role browser with a
-- million it is not. Relies on fragment_pkey, fragment_handl, fragment_lead, sign_in_pkey.
WITH asked AS (
    SELECT 1 AS kind, key
    FROM jsonb_each(%(accounts)s) AS of (key, event_id)
    WHERE EXISTS (
        SELECT FROM outbox.fragment
        -- The one of the account alone is of all its events. Found by the whole key, as without it a planner that has
        -- seen few accounts reads the table.
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
SELECT asked.kind, asked.key,
       CASE WHEN carried.fragments <= %(key_limit)s THEN carried.told END,
       carried.fragments > %(key_limit)s
       AND EXISTS (SELECT FROM outbox.sign_in WHERE sign_in.kind = asked.kind AND sign_in.key = asked.key)
FROM asked
CROSS JOIN LATERAL (
    SELECT count(*) AS fragments, json_agg(json_build_array(account_id, handl_id, lead_id, groups))::text AS told
    FROM (
        (SELECT * FROM outbox.fragment WHERE asked.kind = 1 AND account_id = asked.key
         ORDER BY account_id, handl_id, lead_id LIMIT (SELECT %(key_limit)s::bigint))
        UNION ALL
        (SELECT * FROM outbox.fragment WHERE asked.kind = 2 AND handl_id = asked.key AND handl_id <> ''
         LIMIT (SELECT %(key_limit)s::bigint + 1))
        UNION ALL
        (SELECT * FROM outbox.fragment WHERE asked.kind = 3 AND lead_id = asked.key AND lead_id <> ''
         LIMIT (SELECT %(key_limit)s::bigint + 1))
    ) AS fragment
) AS carried
