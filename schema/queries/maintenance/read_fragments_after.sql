-- The next :limit fragments after :after (an id), with their keys and their last event. Relies on fragment_pkey.
SELECT id, account_id, handl_id, lead_id, emails, phones, is_public,
       (groups -> 0 ->> 0)::bigint AS seen_at, (groups -> 0 ->> 1)::bigint AS event_id
FROM outbox.fragment
WHERE id > %(after)s::uuid
ORDER BY id
LIMIT %(limit)s
