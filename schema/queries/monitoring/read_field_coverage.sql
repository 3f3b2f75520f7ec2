-- How many events of each step were delivered first at each destination from day :since up to day :until (both included,
-- UTC), and how many of them with each field (empty: all). Relies on coverage_pkey, which begins with the day.
SELECT destination.name, destination.kind, coverage.step, coalesce(mapping.event_name, coverage.step),
       step.action_source IS NOT DISTINCT FROM 'system_generated', coverage.field, sum(coverage.events)::bigint
FROM outbox.coverage
JOIN outbox.destination ON destination.id = coverage.destination
LEFT JOIN outbox.step ON step.name = coverage.step
LEFT JOIN outbox.mapping ON mapping.destination = coverage.destination AND mapping.step = coverage.step
WHERE coverage.day BETWEEN %(since)s AND %(until)s
GROUP BY destination.id, coverage.step, mapping.event_name, step.action_source, coverage.field
ORDER BY destination.id, coverage.step, coverage.field
