-- The e-mail addresses that SQL writers sent raw and intake has not sealed yet.
SELECT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id, raw.person -> 'email'
FROM outbox.raw JOIN outbox.event ON event.id = raw.event_id
WHERE raw.person -> 'email' IS NOT NULL
