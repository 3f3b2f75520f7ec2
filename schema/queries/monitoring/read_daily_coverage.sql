-- The same as `quality`, a day at a time; :destination and :step narrow it down where they are given.
-- Relies on coverage_pkey, which begins with the day.
SELECT coverage.day, destination.name, destination.kind, coverage.step, coalesce(mapping.event_name, coverage.step),
       coverage.field, coverage.events
FROM outbox.coverage
JOIN outbox.destination ON destination.id = coverage.destination
LEFT JOIN outbox.mapping ON mapping.destination = coverage.destination AND mapping.step = coverage.step
WHERE coverage.day BETWEEN %(since)s AND %(until)s
  AND (%(destination)s::text IS NULL OR destination.name = %(destination)s)
  AND (%(step)s::text IS NULL OR coverage.step = %(step)s)
ORDER BY coverage.day, destination.id, coverage.step, coverage.field
