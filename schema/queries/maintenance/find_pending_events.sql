-- Which of some events are pending anywhere, wait for intake, or are held by a lease. Reads the deliveries and leases once.
-- Relies on intake_pkey.
SELECT event_id FROM outbox.delivery WHERE event_id = ANY (%(ids)s::bigint[])
UNION
SELECT event_id FROM outbox.intake WHERE event_id = ANY (%(ids)s::bigint[])
UNION
SELECT held FROM outbox.lease, unnest(event_ids) AS held WHERE held = ANY (%(ids)s::bigint[])
