-- What folding needs of the events of one facet. Relies on facet_event_pkey, event_pkey.
SELECT event.id, event.occurred_at, event.sealed, event.visitor, event.consent
FROM outbox.facet_event JOIN outbox.event ON event.id = facet_event.event_id
WHERE facet_id = %(facet)s
