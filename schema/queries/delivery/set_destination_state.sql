-- Pauses, resumes, disables or enables a destination; NULL leaves that part as it is. Returns its id, or no row if there
-- is no such destination. Relies on destination_name_key.
UPDATE outbox.destination
SET paused = coalesce(%(paused)s, paused), enabled = coalesce(%(enabled)s, enabled)
WHERE name = %(destination)s
RETURNING id
