-- The raw persons with an e-mail address of SQL writers that intake has not sealed yet, with the keys of their events.
SELECT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id, event.sealed, event.public, raw.person
FROM outbox.raw JOIN outbox.event ON event.id = raw.event_id
WHERE raw.person -> 'email' IS NOT NULL
