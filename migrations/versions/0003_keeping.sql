-- What keeping persons' data asks for: that an erasure was made can be shown, and one dispatcher sweeps up.

CREATE TABLE outbox.erasure (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    events INTEGER NOT NULL,
    CONSTRAINT erasure_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE outbox.erasure IS 'When somebody was forgotten, and how many events were theirs; no word of who';

CREATE TABLE outbox.election (
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    office TEXT NOT NULL,
    holder TEXT NOT NULL,
    CONSTRAINT election_pkey PRIMARY KEY (office)
);

COMMENT ON TABLE outbox.election IS 'The one dispatcher that holds an office (schedule), until a time';

-- Three roles, for the CRM, the daemon and whoever looks. A role belongs to the whole cluster, so it may be there
-- already, and the migrating user may not be allowed to make one; then the README says what to grant by hand.
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
                RAISE NOTICE 'role % was not created: CREATEROLE is missing; see the README', role;
        END;
    END LOOP;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_recorder') THEN
        GRANT USAGE ON SCHEMA outbox TO outbox_recorder;
        GRANT EXECUTE ON FUNCTION outbox.record(jsonb), outbox.record_many(jsonb) TO outbox_recorder;
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
