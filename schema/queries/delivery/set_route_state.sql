-- Pauses, resumes, disables or enables one step at one destination; NULL leaves that part as it is. Returns the destination's
-- id, or no row if that destination has no route for the step. Relies on destination_name_key, route_pkey.
UPDATE outbox.route
SET paused = coalesce(%(paused)s, route.paused), enabled = coalesce(%(enabled)s, route.enabled)
FROM outbox.destination
WHERE destination.id = route.destination AND destination.name = %(destination)s AND route.step = %(step)s
RETURNING destination.id
