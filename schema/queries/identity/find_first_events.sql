-- Which of some events were the first of their fragment, given as parallel arrays. Relies on fragment_pkey.
SELECT given.event_id
FROM unnest(%(ids)s::bigint[], %(fragments)s::uuid[]) AS given (event_id, fragment_id)
JOIN outbox.fragment ON fragment.id = given.fragment_id
WHERE (groups -> -1 -> 1)::bigint = -given.event_id
