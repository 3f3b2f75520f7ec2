-- Switches one step at one destination; a switch that is NULL stays as it is. Gives the destination's id, nothing if the
-- step is told to no destination of that name. Relies on destination_name_key, mapping_pkey.
UPDATE outbox.mapping
SET paused = coalesce(%(paused)s, mapping.paused), enabled = coalesce(%(enabled)s, mapping.enabled)
FROM outbox.destination
WHERE destination.id = mapping.destination AND destination.name = %(destination)s AND mapping.step = %(step)s
RETURNING destination.id
