-- What keeps vacuum from cleaning up: the oldest transaction, the oldest prepared one, the slot that lags furthest.
-- Seconds since it began (NULL: there is none), and for a slot how many transactions it is behind.
SELECT (SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::float8 FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND datname = current_database()),
       (SELECT extract(epoch FROM clock_timestamp() - min(prepared))::float8 FROM pg_prepared_xacts),
       (SELECT max(age(coalesce(xmin, catalog_xmin)))::bigint FROM pg_replication_slots WHERE NOT active)
