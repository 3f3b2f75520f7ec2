-- When the first event from :id on was recorded; no row: there is none. Relies on event_pkey.
SELECT recorded_at FROM outbox.event WHERE id >= %(id)s ORDER BY id LIMIT 1
