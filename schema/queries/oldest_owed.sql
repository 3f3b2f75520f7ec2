-- How long the longest-waiting has been owed, in seconds (NULL: nothing is), of intake (0) and of each destination: what is
-- worked on, and what a paused step holds back; and how long ago the oldest of both happened, from which a window counts.
-- A re-send or requeue is owed since it was decided; what lies ahead, to a destination, from its time on. A hundred steps into each queue's
-- index and a look at the few leases, so it costs the same at any backlog. The limit makes each look at an event one of
-- its own, whatever the planner believes of the tables.
-- Relies on intake_pkey, delivery_pkey, event_pkey, revision_pkey; mapping and lease hold a few rows.
SELECT queue.id,
       extract(epoch FROM outbox.clock() - min(owed.since) FILTER (WHERE NOT owed.is_paused))::float8,
       extract(epoch FROM outbox.clock() - min(owed.since) FILTER (WHERE owed.is_paused))::float8,
       extract(epoch FROM outbox.clock() - min(owed.occurred_at))::float8
FROM (SELECT 0::smallint AS id UNION ALL SELECT id FROM outbox.destination) AS queue
LEFT JOIN LATERAL (
    SELECT event.occurred_at,
           CASE WHEN queue.id = 0 THEN event.recorded_at
           WHEN first.revision > 0 THEN (
               SELECT decided_at FROM outbox.revision
               WHERE revision.event_id = first.event_id AND revision.destination = queue.id
                 AND revision.revision = first.revision)
           ELSE greatest(event.recorded_at, event.occurred_at) END AS since,
           EXISTS (
               SELECT FROM outbox.mapping
               WHERE mapping.destination = queue.id AND mapping.step = event.name AND mapping.paused) AS is_paused
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
) AS owed ON owed.since <= outbox.clock()
GROUP BY queue.id ORDER BY queue.id
