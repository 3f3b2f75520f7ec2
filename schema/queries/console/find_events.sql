-- The events whose event_id is :text, of any step, and the event whose id is :id (NULL: none).
-- Relies on event_name_event_id_key, one look-up for each of the few steps, and event_pkey.
SELECT event.id
FROM outbox.step
CROSS JOIN LATERAL (SELECT id FROM outbox.event WHERE event.name = step.name AND event.event_id = %(text)s) AS event
UNION
SELECT id FROM outbox.event WHERE id = %(id)s
ORDER BY id
