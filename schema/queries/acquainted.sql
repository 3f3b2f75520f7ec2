-- Which of some events (their numbers) share a key with another event; the others are all that is known of their person.
-- A few steps into an index for each. JSON arrays side by side (a driver writes those ten times faster than text[]). Relies on facet_pkey, facet_handl, facet_lead.
SELECT asked.number
FROM ROWS FROM (
    jsonb_array_elements_text(%(accounts)s), jsonb_array_elements_text(%(handls)s), jsonb_array_elements_text(%(leads)s)
) WITH ORDINALITY AS asked (account_id, handl_id, lead_id, number)
WHERE EXISTS (
        SELECT FROM outbox.facet
        WHERE facet.account_id = asked.account_id AND facet.handl_id = asked.handl_id AND facet.lead_id = asked.lead_id
          AND facet.newest -> 'seen' -> 1 <> to_jsonb(-(facet.newest -> 'first' ->> 1)::bigint)
        OFFSET 0) -- so that it is looked up for each, never read as a whole into a hash
   OR (asked.account_id <> '' AND EXISTS (
        SELECT FROM outbox.facet
        WHERE facet.account_id = asked.account_id AND (facet.handl_id, facet.lead_id) <> (asked.handl_id, asked.lead_id)
          AND (facet.handl_id, facet.lead_id) <> ('', '')))
   OR (asked.handl_id <> '' AND EXISTS (
        SELECT FROM outbox.facet
        WHERE facet.handl_id = asked.handl_id AND facet.handl_id <> ''
          AND (facet.account_id, facet.lead_id) <> (asked.account_id, asked.lead_id)))
   OR (asked.lead_id <> '' AND EXISTS (
        SELECT FROM outbox.facet
        WHERE facet.lead_id = asked.lead_id AND facet.lead_id <> ''
          AND (facet.account_id, facet.handl_id) <> (asked.account_id, asked.handl_id)))
