-- Removes a dispatcher that stops, with the states that it reported. Looks through destination_state, a few rows.
WITH states AS (
    DELETE FROM outbox.destination_state WHERE holder = %(holder)s
)
DELETE FROM outbox.dispatcher WHERE holder = %(holder)s
