-- Counts what is pending by destination (0: intake, and unprocessed merges): queued, due (of the queued), and leased.
SELECT destination, sum(queued)::bigint AS queued, sum(due)::bigint AS due, sum(leased)::bigint AS leased
FROM (
    SELECT 0 AS destination, count(*) AS queued, count(*) AS due, 0 AS leased FROM outbox.intake
    UNION ALL
    SELECT 0, count(*), count(*) FILTER (WHERE due_at <= outbox.clock()), 0 FROM outbox.merge
    UNION ALL
    SELECT destination, count(*), count(*) FILTER (WHERE due_at <= outbox.clock()), 0
    FROM outbox.delivery GROUP BY destination
    UNION ALL
    SELECT coalesce(destination, 0), 0, 0, sum(cardinality(event_ids)) FROM outbox.lease GROUP BY destination
) AS pending
GROUP BY destination ORDER BY destination
