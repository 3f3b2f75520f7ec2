-- The newest :limit events of each of some fragments, with the number of the fragment (from 1). Relies on fragment_event_pkey.
SELECT given.number, recent.event_id
FROM unnest(%(fragments)s::uuid[]) WITH ORDINALITY AS given (fragment_id, number)
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.fragment_event
    WHERE fragment_event.fragment_id = given.fragment_id ORDER BY at DESC, event_id DESC LIMIT %(limit)s
) AS recent
