-- The parts of some events that others borrow from; of each event only the parts asked for. Relies on event_pkey.
SELECT 'sealed', id, occurred_at, sealed FROM outbox.event WHERE id = ANY (%(sealed)s)
UNION ALL
SELECT 'visitor', id, occurred_at, visitor FROM outbox.event WHERE id = ANY (%(visitor)s)
UNION ALL
SELECT 'consent', id, occurred_at, consent FROM outbox.event WHERE id = ANY (%(consent)s)
