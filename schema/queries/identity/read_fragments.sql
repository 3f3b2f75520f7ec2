-- The fragments of some keys, as JSON: [id, [account, handlID, lead, emails, phones, is public], groups, known] each; also
-- whether a key is remembered as over the limit, and its refusals. Of a key come at most :most fragments that are not public
-- and :most that are: with more it is over the limit, and which ones came does not matter.
--
-- :keys is, for each kind of key, an object of keys, each with an event id. If that event is all that carries the key, the key
-- gives no row: most conversions of most funnels are the first of their person. With 0 every key gives one.
-- JSON objects are written by a driver ten times faster than arrays. OFFSET 0 makes PostgreSQL look each key up instead of
-- reading a whole table into a hash. The limit stands in a SELECT of its own: if the planner knew it, a plan that first
-- collects all fragments of a key could seem as good as one that stops early, and for an office browser with a million
-- fragments it is not. Relies on fragment_key_pkey, fragment_pkey, key_mark_pkey.
WITH given AS (
    SELECT kind::smallint AS kind, key, event_id::bigint AS event_id
    FROM jsonb_each(%(keys)s) AS of_kind (kind, keys), jsonb_each_text(keys) AS of (key, event_id)
), shared AS (
    SELECT given.kind, given.key, mark.is_over_limit, mark.refusals
    FROM given
    LEFT JOIN LATERAL (
        SELECT is_over_limit, refusals FROM outbox.key_mark
        WHERE digest = outbox.key_digest(given.kind, given.key) OFFSET 0
    ) AS mark ON true
    WHERE event_id = 0 OR mark.refusals IS NOT NULL OR EXISTS (
        SELECT FROM outbox.fragment_key
        CROSS JOIN LATERAL (SELECT groups FROM outbox.fragment WHERE id = fragment_id OFFSET 0) AS fragment
        WHERE fragment_key.kind = given.kind AND fragment_key.key = given.key
          AND ((groups -> 0 -> 1)::bigint <> event_id OR (groups -> -1 -> 1)::bigint <> -event_id) OFFSET 0)
)
SELECT shared.kind, shared.key, carried.text, coalesce(is_over_limit, false) AS is_over_limit, refusals
FROM shared
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(
               id, json_build_array(account_id, handl_id, lead_id, emails, phones, fragment.is_public), groups, known))::text AS text
    FROM (
        (SELECT fragment_id FROM outbox.fragment_key
         WHERE fragment_key.kind = shared.kind AND fragment_key.key = shared.key AND NOT is_public
         LIMIT (SELECT %(most)s::bigint))
        UNION ALL
        (SELECT fragment_id FROM outbox.fragment_key
         WHERE fragment_key.kind = shared.kind AND fragment_key.key = shared.key AND is_public
         LIMIT (SELECT %(most)s::bigint))
    ) AS found
    CROSS JOIN LATERAL (SELECT * FROM outbox.fragment WHERE id = fragment_id OFFSET 0) AS fragment
) AS carried
