-- The first and the last event id; NULL if the log is empty. Relies on event_pkey.
SELECT min(id) AS first, max(id) AS last FROM outbox.event
