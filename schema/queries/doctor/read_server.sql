-- The server's version and clocks, whether it is a standby, autovacuum, connections, and whether commits notify.
SELECT current_setting('server_version_num')::int AS version, clock_timestamp() AS clock, outbox.clock() - now() AS moved,
       pg_is_in_recovery() AS is_standby, current_setting('autovacuum')::boolean AS autovacuum,
       ARRAY(SELECT relname::text FROM pg_class WHERE relnamespace = 'outbox'::regnamespace
             AND reloptions && ARRAY['autovacuum_enabled=false', 'autovacuum_enabled=off', 'autovacuum_enabled=0']
             ORDER BY relname) AS unvacuumed,
       current_setting('max_connections')::int AS most_connections,
       (SELECT count(*)::int FROM pg_stat_activity) AS connections,
       EXISTS (SELECT FROM pg_trigger WHERE tgname = 'event_notify' AND tgenabled <> 'D'
               AND tgrelid = 'outbox.event'::regclass) AS notifies
