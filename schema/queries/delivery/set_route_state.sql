-- Switches one step at one destination; a switch that is NULL stays as it is. Gives the destination's id, nothing if the
-- step is told to no destination of that name. Relies on destination_name_key, route_pkey.
UPDATE outbox.route
SET paused = coalesce(%(paused)s, route.paused), enabled = coalesce(%(enabled)s, route.enabled)
FROM outbox.destination
WHERE destination.id = route.destination AND destination.name = %(destination)s AND route.step = %(step)s
RETURNING destination.id
