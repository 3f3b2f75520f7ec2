-- Returns every destination with its routes, and what is paused or disabled (a row without a step: it has no routes).
SELECT destination.id, destination.name, destination.kind, destination.enabled, destination.paused,
       step.name AS step, route.event_name, route.parameters, route.enabled AS route_enabled,
       route.paused AS route_paused, step.action_source, step.browser_pair, step.value::float8, step.currency
FROM outbox.destination
LEFT JOIN (outbox.route JOIN outbox.step ON step.name = route.step) ON route.destination = destination.id
ORDER BY destination.id, step.name
