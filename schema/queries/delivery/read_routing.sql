-- The words: every destination with its switches, and what each step is called there (no step: nothing yet).
SELECT destination.id, destination.name, destination.kind, destination.enabled, destination.paused,
       step.name, mapping.event_name, mapping.parameters, mapping.enabled, mapping.paused,
       step.action_source, step.browser_pair, step.value::float8, step.currency
FROM outbox.destination
LEFT JOIN (outbox.mapping JOIN outbox.step ON step.name = mapping.step) ON mapping.destination = destination.id
ORDER BY destination.id, step.name
