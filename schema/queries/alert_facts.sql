-- What there may be to alert to: of each destination and of intake (0), its switches; the state that a dispatcher came to
-- last (NULL: none was heard of within :fresh), why, and for how many seconds it is in it; and for how many seconds the
-- longest-waiting of its first hundred due events has been owed. That another dispatcher still believes something else
-- says nothing: it may have had nothing to send since. An event that lies ahead waits for its time. Relies on
-- delivery_pkey, intake_pkey, event_pkey; circuit and lease hold a few rows.
SELECT queue.id, queue.name, queue.enabled, queue.paused, last.state, last.reason, extract(epoch FROM outbox.clock() - last.since)::float8,
       extract(epoch FROM outbox.clock() - owed.since)::float8
FROM (
    SELECT 0::smallint AS id, 'intake' AS name, true AS enabled, false AS paused
    UNION ALL SELECT id, name, enabled, paused FROM outbox.destination
) AS queue
LEFT JOIN LATERAL (
    SELECT state, reason, since FROM outbox.circuit
    WHERE circuit.destination = queue.id AND seen_at > outbox.clock() - %(fresh)s
    ORDER BY since DESC,
             array_position(ARRAY['running', 'throttled', 'failing', 'paused', 'disabled', 'halted'], state) DESC
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT min(greatest(event.recorded_at, event.occurred_at)) AS since
    FROM (
        (SELECT event_id FROM outbox.intake WHERE queue.id = 0 ORDER BY event_id LIMIT 100)
        UNION ALL
        (SELECT event_id FROM outbox.delivery WHERE delivery.destination = queue.id ORDER BY due_at LIMIT 100)
        UNION ALL
        (SELECT event_ids[1] FROM outbox.lease WHERE lease.destination = queue.id)
    ) AS first
    JOIN outbox.event ON event.id = first.event_id
) AS owed ON true
ORDER BY queue.id
