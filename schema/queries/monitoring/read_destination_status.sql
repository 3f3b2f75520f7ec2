-- In which state intake (0) and each destination is, and how long the longest-waiting has been pending there, by the one rule
-- that pages, metrics, alerts and readiness share.
--
-- The state: as the operator switched it, else the state that a dispatcher came to last, of those heard of within :fresh
-- (NULL: none was); why, since when, for how many seconds, and how many dispatchers say so. That another still believes
-- something else says nothing: it may have had nothing to send since. One that fails while nothing is pending is running: the
-- next delivery tells.
--
-- The ages, in seconds (NULL: nothing is pending): of what is worked on, and of what a paused step holds back; and how long ago
-- the oldest of both happened, from which a window counts. A re-send or requeue is pending since it was decided; what lies
-- ahead, to a destination, from its time on. A hundred steps into each queue's index and a look at the few leases, so it costs
-- the same at any backlog. The limit makes each look at an event one of its own, whatever the planner believes of the tables.
-- Relies on intake_pkey, delivery_pkey, event_pkey, revision_pkey; dispatcher, destination_state, route and lease hold a few rows.
WITH reported AS MATERIALIZED (
    SELECT destination, state, reason, since FROM outbox.destination_state WHERE seen_at > outbox.clock() - %(fresh)s
    UNION ALL
    SELECT 0, 'running', NULL, started_at FROM outbox.dispatcher WHERE seen_at > outbox.clock() - %(fresh)s
)
SELECT queue.id, queue.name, known.state, CASE WHEN known.state = last.state THEN last.reason END, last.since,
       extract(epoch FROM outbox.clock() - last.since)::float8, (
           SELECT count(*) FROM reported WHERE reported.destination = queue.id AND reported.state = last.state),
       age.working, age.paused, age.happened
FROM (
    SELECT 0::smallint AS id, 'intake' AS name, NULL AS switched
    UNION ALL
    SELECT id, name, CASE WHEN NOT enabled THEN 'disabled' WHEN paused THEN 'paused' END FROM outbox.destination
) AS queue
LEFT JOIN LATERAL (
    SELECT state, reason, since FROM reported
    WHERE reported.destination = queue.id AND (queue.switched IS NULL OR queue.switched = state)
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
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM outbox.clock() - min(pending.since) FILTER (WHERE NOT pending.is_paused))::float8 AS working,
           extract(epoch FROM outbox.clock() - min(pending.since) FILTER (WHERE pending.is_paused))::float8 AS paused,
           extract(epoch FROM outbox.clock() - min(pending.occurred_at))::float8 AS happened
    FROM (
        SELECT event.occurred_at,
               CASE WHEN queue.id = 0 THEN event.recorded_at
               WHEN first.revision > 0 THEN (
                   SELECT decided_at FROM outbox.revision
                   WHERE revision.event_id = first.event_id AND revision.destination = queue.id
                     AND revision.revision = first.revision)
               ELSE greatest(event.recorded_at, event.occurred_at) END AS since,
               EXISTS (
                   SELECT FROM outbox.route
                   WHERE route.destination = queue.id AND route.step = event.name AND route.paused) AS is_paused
        FROM (
            (SELECT event_id, 0::smallint AS revision FROM outbox.intake WHERE queue.id = 0 ORDER BY event_id LIMIT 100)
            UNION ALL
            (SELECT event_id, revision FROM outbox.delivery WHERE delivery.destination = queue.id ORDER BY due_at LIMIT 100)
            UNION ALL
            (SELECT event_ids[1], revisions[1] FROM outbox.lease WHERE lease.destination = queue.id)
        ) AS first
        CROSS JOIN LATERAL (
            SELECT name, occurred_at, recorded_at FROM outbox.event WHERE event.id = first.event_id LIMIT 1
        ) AS event
    ) AS pending
    WHERE pending.since <= outbox.clock()
) AS age
ORDER BY queue.id
