-- Three roles: for the CRM, for the daemon and for readers. A role belongs to the whole cluster, so it may exist already, or
-- the migrating user may not be allowed to create it; then docs/operations/README.md says what to create by hand.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['outbox_recorder', 'outbox_dispatcher', 'outbox_reader'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL; -- another migration, at the same moment
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % was not created: CREATEROLE is missing; see docs/operations/README.md', role;
        END;
    END LOOP;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_recorder') THEN
        GRANT USAGE ON SCHEMA outbox TO outbox_recorder;
        GRANT EXECUTE ON FUNCTION outbox.record(jsonb), outbox.record_many(jsonb), outbox.stripe_remember(jsonb)
            TO outbox_recorder;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_dispatcher') THEN
        GRANT USAGE ON SCHEMA outbox TO outbox_dispatcher;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA outbox TO outbox_dispatcher;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_dispatcher;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_reader') THEN
        GRANT USAGE ON SCHEMA outbox TO outbox_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA outbox TO outbox_reader;
        REVOKE ALL ON outbox.raw FROM outbox_reader;
        GRANT EXECUTE ON FUNCTION outbox.clock() TO outbox_reader;
    END IF;
END
$$;
