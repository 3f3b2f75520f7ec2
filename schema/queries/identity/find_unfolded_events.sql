-- The events that intake has not folded yet and that carry one of some keys. Fragments hold the hash of a key that is too
-- long for an index, so events with such keys are always returned. Reads the events that wait for intake once.
-- Relies on event_pkey.
SELECT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id
FROM (
    SELECT event_id FROM outbox.intake
    UNION ALL
    SELECT unnest(event_ids) FROM outbox.lease WHERE destination IS NULL
) AS waiting
JOIN outbox.event ON event.id = waiting.event_id
WHERE account_id = ANY (%(accounts)s) OR handl_id = ANY (%(handls)s) OR lead_id = ANY (%(leads)s)
   OR octet_length(account_id) > %(longest)s OR octet_length(handl_id) > %(longest)s OR octet_length(lead_id) > %(longest)s
