-- What some events can lend. Relies on event_pkey.
SELECT id, occurred_at, sealed, visitor, consent FROM outbox.event WHERE id = ANY (%(ids)s)
