-- The newest :limit events of each of some facets, whose numbers are given with them. Relies on facet_pkey,
-- facet_event_pkey.
SELECT asked.number, recent.event_id
FROM unnest(%(accounts)s::text[], %(handls)s::text[], %(leads)s::text[])
    WITH ORDINALITY AS asked (account_id, handl_id, lead_id, number)
JOIN outbox.facet USING (account_id, handl_id, lead_id)
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.facet_event
    WHERE facet_id = facet.id ORDER BY event_id DESC LIMIT %(limit)s
) AS recent
