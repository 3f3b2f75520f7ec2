-- Counts the events of each step first delivered at each destination from day :since to day :until (both included, UTC), and
-- how many of them carried each field (empty: all). Relies on field_coverage_pkey, which begins with the day.
SELECT destination.name AS destination, destination.kind, field_coverage.step,
       coalesce(route.event_name, field_coverage.step) AS event_name,
       step.action_source IS NOT DISTINCT FROM 'system_generated' AS is_system, field_coverage.field,
       sum(field_coverage.events)::bigint AS events
FROM outbox.field_coverage
JOIN outbox.destination ON destination.id = field_coverage.destination
LEFT JOIN outbox.step ON step.name = field_coverage.step
LEFT JOIN outbox.route ON route.destination = field_coverage.destination AND route.step = field_coverage.step
WHERE field_coverage.day BETWEEN %(since)s AND %(until)s
GROUP BY destination.id, field_coverage.step, route.event_name, step.action_source, field_coverage.field
ORDER BY destination.id, field_coverage.step, field_coverage.field
