-- The next :limit fragments after some keys, and when each was last seen. Relies on fragment_pkey.
SELECT account_id, handl_id, lead_id, (groups -> 0 ->> 0)::bigint AS seen_at
FROM outbox.fragment
WHERE (account_id, handl_id, lead_id) > (%(account_id)s, %(handl_id)s, %(lead_id)s)
ORDER BY account_id, handl_id, lead_id
LIMIT %(limit)s
