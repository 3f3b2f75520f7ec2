-- The newest :limit folded events that carry one of :keys as their account, handlID or lead. Of a key with more than
-- :key_limit fragments, only the events of :key_limit of them. Relies on fragment_key_pkey, fragment_event_pkey.
SELECT DISTINCT recent.event_id
FROM unnest(%(keys)s::text[]) AS wanted (key)
CROSS JOIN unnest('{1,2,3}'::smallint[]) AS of (kind)
CROSS JOIN LATERAL (
    SELECT fragment_id FROM outbox.fragment_key
    WHERE fragment_key.kind = of.kind AND fragment_key.key = wanted.key LIMIT %(key_limit)s
) AS fragment
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.fragment_event
    WHERE fragment_event.fragment_id = fragment.fragment_id ORDER BY at DESC, event_id DESC LIMIT %(limit)s
) AS recent
ORDER BY recent.event_id DESC LIMIT %(limit)s
