-- The newest :limit events of each of some fragments, with the number of the fragment (from 1). Relies on fragment_pkey,
-- fragment_event_pkey.
SELECT given.number, recent.event_id
FROM unnest(%(accounts)s::text[], %(handls)s::text[], %(leads)s::text[])
    WITH ORDINALITY AS given (account_id, handl_id, lead_id, number)
JOIN outbox.fragment USING (account_id, handl_id, lead_id)
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.fragment_event
    WHERE fragment_id = fragment.id ORDER BY event_id DESC LIMIT %(limit)s
) AS recent
