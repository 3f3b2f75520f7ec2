-- What folding needs of the events of one fragment. Relies on fragment_event_pkey, event_pkey.
SELECT event.id, event.occurred_at, event.sealed, event.visitor, event.consent
FROM outbox.fragment_event JOIN outbox.event ON event.id = fragment_event.event_id
WHERE fragment_id = %(fragment)s
