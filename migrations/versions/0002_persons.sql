-- Who belongs together: the log folded by the keys that events carry, and the queue of merges.

-- Of two facets' fields the greater stamps: (occurred_at in microseconds, id). The same in whatever order it is done.
CREATE FUNCTION outbox.newest(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT jsonb_object_agg(field, stamp)
    FROM (
        SELECT DISTINCT ON (field) field, stamp
        FROM (SELECT * FROM jsonb_each(one) UNION ALL SELECT * FROM jsonb_each(other)) AS told (field, stamp)
        ORDER BY field, stamp DESC
    ) AS greatest
$$;

CREATE TABLE outbox.facet (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    account_id TEXT DEFAULT '' NOT NULL,
    handl_id TEXT DEFAULT '' NOT NULL,
    lead_id TEXT DEFAULT '' NOT NULL,
    newest JSONB NOT NULL,
    CONSTRAINT facet_pkey PRIMARY KEY (account_id, handl_id, lead_id)
)
 WITH (fillfactor = 80);

CREATE INDEX facet_handl ON outbox.facet (handl_id) WHERE handl_id != '';

CREATE INDEX facet_lead ON outbox.facet (lead_id) WHERE lead_id != '';

COMMENT ON TABLE outbox.facet IS 'The events that carry the same keys; newest: by field, the (time, id) of the one that told it last';

CREATE TABLE outbox.facet_event (
    facet_id BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    CONSTRAINT facet_event_pkey PRIMARY KEY (facet_id, event_id)
);

COMMENT ON TABLE outbox.facet_event IS 'Which events a facet is of';

CREATE TABLE outbox.sign_in (
    at BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    key TEXT NOT NULL,
    account_id TEXT NOT NULL,
    CONSTRAINT sign_in_pkey PRIMARY KEY (kind, key, at, event_id)
);

COMMENT ON TABLE outbox.sign_in IS 'Who signed in where and when: kind 2, a handlID; 3, a lead; at in microseconds since 1970';

CREATE TABLE outbox.merge (
    event_id BIGINT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    CONSTRAINT merge_pkey PRIMARY KEY (event_id)
)
 WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

COMMENT ON TABLE outbox.merge IS 'Events that tied keys together for the first time: what was sent before may have gained an identifier';

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
