-- The events that intake has not folded yet and that carry one of some keys, with what their keys are read from (raw: what a
-- SQL writer sent unsealed). Fragments hold the hash of a key that is too long for an index, and addresses are only hashed when
-- they are sealed, so events with such keys are always returned. Reads the events that wait for intake once.
-- Relies on event_pkey, raw_pkey.
SELECT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id, event.sealed, event.public, raw.person
FROM (
    SELECT event_id FROM outbox.intake
    UNION ALL
    SELECT unnest(event_ids) FROM outbox.lease WHERE destination IS NULL
) AS waiting
JOIN outbox.event ON event.id = waiting.event_id
LEFT JOIN outbox.raw ON raw.event_id = event.id
WHERE account_id = ANY (%(accounts)s) OR handl_id = ANY (%(handls)s) OR lead_id = ANY (%(leads)s)
   OR octet_length(account_id) > %(longest)s OR octet_length(handl_id) > %(longest)s OR octet_length(lead_id) > %(longest)s
   OR %(with_addresses)s AND (raw.person IS NOT NULL OR sealed IS NOT NULL)
