-- The parts of some events that others borrow from; of each event only the parts asked for. Relies on event_pkey.
SELECT 'sealed' AS part, id, occurred_at, sealed AS content FROM outbox.event WHERE id = ANY (%(sealed)s)
UNION ALL
SELECT 'visitor', id, occurred_at, visitor FROM outbox.event WHERE id = ANY (%(visitor)s)
