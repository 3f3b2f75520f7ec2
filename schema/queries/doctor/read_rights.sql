-- The roles that do not exist, and the rights that a dispatcher needs and this user lacks.
SELECT ARRAY(SELECT name FROM unnest(ARRAY['outbox_recorder', 'outbox_dispatcher', 'outbox_reader']) AS name
             WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)) AS missing_roles,
       ARRAY(SELECT format('%%s on %%s', lower(needed), relname) FROM pg_class,
                    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
             WHERE relnamespace = 'outbox'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
               AND NOT has_table_privilege(oid, needed)
             ORDER BY relname, needed) AS lacking
