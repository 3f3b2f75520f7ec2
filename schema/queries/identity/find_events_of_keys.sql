-- The events that are folded and carry one of some keys (kind 1: an account, 2: a handlID, 3: a lead); with :anonymous only
-- those without an account. Relies on fragment_pkey, fragment_handl, fragment_lead, fragment_event_pkey, event_pkey.
SELECT DISTINCT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id
FROM unnest(%(kinds)s::smallint[], %(keys)s::text[]) AS given (kind, key)
CROSS JOIN LATERAL (
    SELECT id FROM outbox.fragment WHERE given.kind = 1 AND account_id = given.key
    UNION ALL
    SELECT id FROM outbox.fragment
    WHERE given.kind = 2 AND handl_id = given.key AND handl_id <> '' AND (account_id = '' OR NOT %(anonymous)s)
    UNION ALL
    SELECT id FROM outbox.fragment
    WHERE given.kind = 3 AND lead_id = given.key AND lead_id <> '' AND (account_id = '' OR NOT %(anonymous)s)
) AS fragment
JOIN outbox.fragment_event ON fragment_event.fragment_id = fragment.id
JOIN outbox.event ON event.id = fragment_event.event_id
