-- Switches a whole destination; a switch that is NULL stays as it is. Gives its id, nothing if there is none of that name.
-- Relies on destination_name_key.
UPDATE outbox.destination
SET paused = coalesce(%(paused)s, paused), enabled = coalesce(%(enabled)s, enabled)
WHERE name = %(destination)s
RETURNING id
