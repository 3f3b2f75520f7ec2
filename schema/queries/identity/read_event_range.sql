-- The first and the last id of the log, NULL if it is empty. Relies on event_pkey.
SELECT min(id), max(id) FROM outbox.event
