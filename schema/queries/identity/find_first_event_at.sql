-- When the first event with an id of at least :id was recorded; no row if there is none. Relies on event_pkey.
SELECT recorded_at FROM outbox.event WHERE id >= %(id)s ORDER BY id LIMIT 1
