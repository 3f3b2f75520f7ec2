-- The newest :limit folded events that carry one of :keys as their account, handlID or lead. Of a key with more than
-- :key_limit fragments, only the events of :key_limit of them.
-- Relies on fragment_pkey, fragment_handl, fragment_lead, fragment_event_pkey.
SELECT DISTINCT recent.event_id
FROM unnest(%(keys)s::text[]) AS wanted (key)
CROSS JOIN LATERAL (
    (SELECT id FROM outbox.fragment WHERE account_id = wanted.key LIMIT %(key_limit)s)
    UNION ALL
    (SELECT id FROM outbox.fragment WHERE handl_id = wanted.key AND handl_id <> '' LIMIT %(key_limit)s)
    UNION ALL
    (SELECT id FROM outbox.fragment WHERE lead_id = wanted.key AND lead_id <> '' LIMIT %(key_limit)s)
) AS fragment
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.fragment_event WHERE fragment_id = fragment.id ORDER BY event_id DESC LIMIT %(limit)s
) AS recent
ORDER BY recent.event_id DESC LIMIT %(limit)s
