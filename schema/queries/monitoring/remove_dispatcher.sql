-- Removes a dispatcher that stops, and the states that it reported. Scans destination_state, which holds a few rows.
WITH states AS (
    DELETE FROM outbox.destination_state WHERE holder = %(holder)s
)
DELETE FROM outbox.dispatcher WHERE holder = %(holder)s
