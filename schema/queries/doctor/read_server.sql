-- The server's version and clocks, whether it is a standby, autovacuum, connections, and whether commits notify.
SELECT current_setting('server_version_num')::int, clock_timestamp(), outbox.clock() - now(), pg_is_in_recovery(),
       current_setting('autovacuum')::boolean,
       ARRAY(SELECT relname::text FROM pg_class WHERE relnamespace = 'outbox'::regnamespace
             AND reloptions && ARRAY['autovacuum_enabled=false', 'autovacuum_enabled=off', 'autovacuum_enabled=0']
             ORDER BY relname),
       current_setting('max_connections')::int, (SELECT count(*)::int FROM pg_stat_activity),
       EXISTS (SELECT FROM pg_trigger WHERE tgname = 'event_notify' AND tgenabled <> 'D'
               AND tgrelid = 'outbox.event'::regclass)
