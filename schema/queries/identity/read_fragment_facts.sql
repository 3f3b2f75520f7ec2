-- What folding needs of the newest :limit events of each of some fragments. Relies on fragment_event_pkey, event_pkey.
SELECT given.fragment AS fragment_id, event.id, event.occurred_at, event.handl_id, event.sealed, event.visitor, event.consent, event.public
FROM unnest(%(fragments)s::uuid[]) AS given (fragment)
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.fragment_event WHERE fragment_id = given.fragment ORDER BY at DESC, event_id DESC LIMIT %(limit)s
) AS newest
JOIN outbox.event ON event.id = newest.event_id
