-- Returns the same as read_field_coverage by day; :destination and :step filter it if they are given.
-- Relies on field_coverage_pkey, which begins with the day.
SELECT field_coverage.day, destination.name AS destination, destination.kind, field_coverage.step,
       coalesce(route.event_name, field_coverage.step) AS event_name,
       field_coverage.field, field_coverage.events
FROM outbox.field_coverage
JOIN outbox.destination ON destination.id = field_coverage.destination
LEFT JOIN outbox.route ON route.destination = field_coverage.destination AND route.step = field_coverage.step
WHERE field_coverage.day BETWEEN %(since)s AND %(until)s
  AND (%(destination)s::text IS NULL OR destination.name = %(destination)s)
  AND (%(step)s::text IS NULL OR field_coverage.step = %(step)s)
ORDER BY field_coverage.day, destination.id, field_coverage.step, field_coverage.field
