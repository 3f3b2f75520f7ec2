-- Returns the numbers of the database for the metrics, as rows of (what, name, state, number). It never counts a whole
-- queue: it counts at most :most rows of each, and returns the planner's estimate of their tables.
-- Relies on delivery_pkey, which begins with the destination; lease, dispatcher and alert hold only a few rows.
SELECT 'queued' AS what, destination.name AS name, '' AS state, (
    -- In index order; else the planner might read another destination's whole backlog to find this one's rows.
    SELECT count(*) FROM (
        SELECT FROM outbox.delivery WHERE delivery.destination = destination.id ORDER BY due_at LIMIT %(most)s) AS counted
)::float8 AS number
FROM outbox.destination
UNION ALL
SELECT 'queued', 'intake', '', count(*) FROM (SELECT FROM outbox.intake LIMIT %(most)s) AS counted
UNION ALL
SELECT 'queued', 'merges', '', count(*) FROM (SELECT FROM outbox.merge LIMIT %(most)s) AS counted
UNION ALL
SELECT 'leased', coalesce(destination.name, 'intake'), '', sum(cardinality(lease.event_ids))
FROM outbox.lease LEFT JOIN outbox.destination ON destination.id = lease.destination
GROUP BY destination.name
UNION ALL
-- Rows per page at the last vacuum or analyze, times the current number of pages.
SELECT 'rows', relname, '', greatest(reltuples, 0) / greatest(relpages, 1) * pg_relation_size(oid) / current_setting('block_size')::integer
FROM pg_class WHERE oid IN ('outbox.delivery'::regclass, 'outbox.intake'::regclass, 'outbox.merge'::regclass)
UNION ALL
SELECT 'dispatchers', '', '', count(*) FROM outbox.dispatcher WHERE seen_at > outbox.clock() - %(fresh)s
UNION ALL
SELECT 'alerts', '', kind, count(*) FROM outbox.alert WHERE passed_at IS NULL GROUP BY kind
UNION ALL
SELECT 'oldest_transaction', '', '', coalesce(max(extract(epoch FROM clock_timestamp() - began)), 0)
FROM (
    SELECT xact_start AS began FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    UNION ALL
    SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
) AS transactions
