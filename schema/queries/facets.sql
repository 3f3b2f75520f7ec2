-- The facets of each of some keys, at most :limit a key (one more than a crowd); an account's in the order of their
-- other keys, so that it is always the same ones. Relies on facet_pkey, facet_handl, facet_lead.
-- The limit stands in a SELECT of its own: were it known, a plan that first collects all facets of a key (a bitmap, a
-- sort) might seem as good as one that stops, and for an office browser with a million it is not.
SELECT asked.kind, asked.key, facet.account_id, facet.handl_id, facet.lead_id, facet.newest::text
FROM ROWS FROM (
    jsonb_array_elements_text(%(kinds)s), jsonb_array_elements_text(%(keys)s)
) AS given (kind, key)
CROSS JOIN LATERAL (SELECT given.kind::smallint AS kind, given.key) AS asked
CROSS JOIN LATERAL (
    (SELECT * FROM outbox.facet WHERE asked.kind = 1 AND account_id = asked.key
     ORDER BY account_id, handl_id, lead_id LIMIT (SELECT %(limit)s::bigint))
    UNION ALL
    (SELECT * FROM outbox.facet WHERE asked.kind = 2 AND handl_id = asked.key AND handl_id <> ''
     LIMIT (SELECT %(limit)s::bigint))
    UNION ALL
    (SELECT * FROM outbox.facet WHERE asked.kind = 3 AND lead_id = asked.key AND lead_id <> ''
     LIMIT (SELECT %(limit)s::bigint))
) AS facet
