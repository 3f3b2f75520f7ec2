-- What holds back vacuum: the oldest open transaction and the oldest prepared one (seconds since they began; NULL: none),
-- and the inactive replication slot that lags furthest (in transactions).
SELECT (SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::float8 FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND datname = current_database()) AS oldest_seconds,
       (SELECT extract(epoch FROM clock_timestamp() - min(prepared))::float8 FROM pg_prepared_xacts) AS prepared_seconds,
       (SELECT max(age(coalesce(xmin, catalog_xmin)))::bigint FROM pg_replication_slots WHERE NOT active) AS slot_behind
