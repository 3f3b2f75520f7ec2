-- The events with the given :ids for a list, newest first. Relies on event_pkey.
SELECT id, occurred_at, recorded_at, name, event_id FROM outbox.event WHERE id = ANY (%(ids)s) ORDER BY id DESC
