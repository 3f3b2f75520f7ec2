-- The next :limit events after :after: their keys, whether they are older than :age (an interval), and if so, whether there
-- is anything to remove: receipts, or the event itself, unless a fragment refers to it as the last event with a field.
-- Changes nothing. Relies on event_pkey, receipt_pkey, fragment_pkey.
SELECT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id, event.is_old,
       event.is_old
       AND (EXISTS (SELECT FROM outbox.receipt WHERE event_id = event.id)
            OR NOT EXISTS (
                SELECT FROM outbox.fragment, jsonb_array_elements(groups) AS field_group
                WHERE fragment.account_id = coalesce(event.account_id, '')
                  AND fragment.handl_id = coalesce(event.handl_id, '') AND fragment.lead_id = coalesce(event.lead_id, '')
                  AND (field_group ->> 1)::bigint = event.id)
            AND NOT EXISTS (
                SELECT FROM outbox.fragment, jsonb_array_elements(groups) AS field_group
                WHERE fragment.account_id = event.account_id AND fragment.handl_id = '' AND fragment.lead_id = ''
                  AND (field_group ->> 1)::bigint = event.id))
       AND NOT EXISTS (SELECT FROM outbox.receipt WHERE event_id = event.id AND at > outbox.clock() - %(age)s) AS is_removable
FROM (
    SELECT *, greatest(occurred_at, recorded_at) <= outbox.clock() - %(age)s AS is_old
    FROM outbox.event WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
) AS event
ORDER BY event.id
