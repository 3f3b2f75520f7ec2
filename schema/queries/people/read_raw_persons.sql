-- The raw persons that SQL writers sent with some events. Relies on raw_pkey.
SELECT event_id, person FROM outbox.raw WHERE event_id = ANY (%(ids)s)
