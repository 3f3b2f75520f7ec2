-- Returns the state of intake (0) and of each destination, and how long the oldest entry has been pending, by the one rule
-- that pages, metrics, alerts and readiness share.
--
-- The state: paused or disabled by an operator, else the latest state reported by the dispatchers seen within :fresh (NULL: none
-- was seen); with its reason, since when, for how many seconds, and how many dispatchers report it. An older report of
-- another dispatcher does not count: it may have had nothing to send since. A failing destination without anything pending
-- is running: the next delivery will show.
--
-- The ages in seconds (NULL: nothing is pending): of deliveries that may be sent, and of those that a paused step holds back; and how
-- long ago the oldest event of both happened, from which the window counts. A re-send or requeue is pending since it was
-- decided; an event with a future time, at a destination, from that time on. The query takes a hundred steps into each
-- queue's index and reads the few leases, so it costs the same at any backlog. LIMIT 1 makes each access to an event a
-- lookup of its own, whatever the planner assumes about the tables. Relies on intake_pkey, delivery_pkey, event_pkey,
-- revision_pkey; dispatcher, destination_state, route and lease hold a few rows.
WITH reported AS MATERIALIZED (
    SELECT destination, state, reason, since FROM outbox.destination_state WHERE seen_at > outbox.clock() - %(fresh)s
    UNION ALL
    SELECT 0, 'running', NULL, started_at FROM outbox.dispatcher WHERE seen_at > outbox.clock() - %(fresh)s
)
SELECT queue.id, queue.name, current.state, CASE WHEN current.state = last.state THEN last.reason END AS reason, last.since,
       extract(epoch FROM outbox.clock() - last.since)::float8 AS seconds, (
           SELECT count(*) FROM reported WHERE reported.destination = queue.id AND reported.state = last.state) AS reported_by,
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
            -- In index order; else the planner might read another destination's whole backlog to find nothing for this one.
            AND (SELECT due_at FROM outbox.delivery WHERE delivery.destination = queue.id ORDER BY due_at LIMIT 1) IS NULL
            AND NOT EXISTS (SELECT FROM outbox.lease WHERE lease.destination = queue.id) THEN 'running'
        ELSE last.state END) AS state
) AS current
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
