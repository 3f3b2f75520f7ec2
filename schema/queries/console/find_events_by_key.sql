-- The newest :limit events that carry one of :keys as their account, handlID or lead, as far as they are folded; of a
-- crowd's key, those of :crowd of its facets. Relies on facet_pkey, facet_handl, facet_lead, facet_event_pkey.
SELECT DISTINCT recent.event_id
FROM unnest(%(keys)s::text[]) AS asked (key)
CROSS JOIN LATERAL (
    (SELECT id FROM outbox.facet WHERE account_id = asked.key LIMIT %(crowd)s)
    UNION ALL
    (SELECT id FROM outbox.facet WHERE handl_id = asked.key AND handl_id <> '' LIMIT %(crowd)s)
    UNION ALL
    (SELECT id FROM outbox.facet WHERE lead_id = asked.key AND lead_id <> '' LIMIT %(crowd)s)
) AS facet
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.facet_event WHERE facet_id = facet.id ORDER BY event_id DESC LIMIT %(limit)s
) AS recent
ORDER BY recent.event_id DESC LIMIT %(limit)s
