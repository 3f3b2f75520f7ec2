-- In which state intake (0) and each destination is, by the one rule that pages, metrics, alerts and readiness share: as
-- the operator switched it, else the state that a dispatcher came to last, of those heard of within :fresh (NULL: none
-- was); why, since when, for how many seconds, and how many dispatchers say so. That another still believes something
-- else says nothing: it may have had nothing to send since. One that fails while nothing is owed is running: the next
-- delivery tells. Relies on delivery_pkey; circuit and lease hold a few rows.
SELECT queue.id, queue.name, known.state, CASE WHEN known.state = last.state THEN last.reason END, last.since,
       extract(epoch FROM outbox.clock() - last.since)::float8, (
           SELECT count(*) FROM outbox.circuit
           WHERE circuit.destination = queue.id AND circuit.state = last.state AND seen_at > outbox.clock() - %(fresh)s)
FROM (
    SELECT 0::smallint AS id, 'intake' AS name, NULL AS switched
    UNION ALL
    SELECT id, name, CASE WHEN NOT enabled THEN 'disabled' WHEN paused THEN 'paused' END FROM outbox.destination
) AS queue
LEFT JOIN LATERAL (
    SELECT state, reason, since FROM outbox.circuit
    WHERE circuit.destination = queue.id AND seen_at > outbox.clock() - %(fresh)s
      AND (queue.switched IS NULL OR queue.switched = state)
    ORDER BY since DESC,
             array_position(ARRAY['running', 'throttled', 'failing', 'paused', 'disabled', 'halted'], state) DESC
    LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (
    SELECT coalesce(queue.switched, CASE
        WHEN last.state = 'failing'
            -- In the index's order, else another destination's backlog might be read through to find none of this one's.
            AND (SELECT due_at FROM outbox.delivery WHERE delivery.destination = queue.id ORDER BY due_at LIMIT 1) IS NULL
            AND NOT EXISTS (SELECT FROM outbox.lease WHERE lease.destination = queue.id) THEN 'running'
        ELSE last.state END) AS state
) AS known
ORDER BY queue.id
