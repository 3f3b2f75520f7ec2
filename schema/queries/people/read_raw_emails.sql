-- The raw e-mail addresses of SQL writers that intake has not sealed yet.
SELECT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id, raw.person -> 'email' AS email
FROM outbox.raw JOIN outbox.event ON event.id = raw.event_id
WHERE raw.person -> 'email' IS NOT NULL
