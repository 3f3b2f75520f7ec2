-- The newest :limit events that carry one of :keys as their account, handlID or lead, as far as they are folded; of a
-- key_limit's key, those of :key_limit of its fragments. Relies on fragment_pkey, fragment_handl, fragment_lead, fragment_event_pkey.
SELECT DISTINCT recent.event_id
FROM unnest(%(keys)s::text[]) AS asked (key)
CROSS JOIN LATERAL (
    (SELECT id FROM outbox.fragment WHERE account_id = asked.key LIMIT %(key_limit)s)
    UNION ALL
    (SELECT id FROM outbox.fragment WHERE handl_id = asked.key AND handl_id <> '' LIMIT %(key_limit)s)
    UNION ALL
    (SELECT id FROM outbox.fragment WHERE lead_id = asked.key AND lead_id <> '' LIMIT %(key_limit)s)
) AS fragment
CROSS JOIN LATERAL (
    SELECT event_id FROM outbox.fragment_event WHERE fragment_id = fragment.id ORDER BY event_id DESC LIMIT %(limit)s
) AS recent
ORDER BY recent.event_id DESC LIMIT %(limit)s
