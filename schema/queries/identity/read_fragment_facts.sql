-- The columns of a fragment's events that folding needs. Relies on fragment_event_pkey, event_pkey.
SELECT event.id, event.occurred_at, event.sealed, event.visitor, event.consent
FROM outbox.fragment_event JOIN outbox.event ON event.id = fragment_event.event_id
WHERE fragment_id = %(fragment)s
