-- What pages and alerts ask, so that none of them scans a log.

CREATE TABLE outbox.minute (
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    count BIGINT NOT NULL,
    seconds DOUBLE PRECISION DEFAULT 0 NOT NULL,
    longest DOUBLE PRECISION DEFAULT 0 NOT NULL,
    destination SMALLINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    CONSTRAINT minute_pkey PRIMARY KEY (minute, destination, outcome, reason)
)
WITH (fillfactor = 50);

COMMENT ON TABLE outbox.minute IS 'How many deliveries ended or failed in a minute, by outcome and reason; seconds from recorded to delivered: sum, longest';

CREATE TABLE outbox.coverage (
    events BIGINT NOT NULL,
    day DATE NOT NULL,
    destination SMALLINT NOT NULL,
    step TEXT NOT NULL,
    field TEXT NOT NULL,
    CONSTRAINT coverage_pkey PRIMARY KEY (day, destination, step, field)
)
WITH (fillfactor = 50);

COMMENT ON TABLE outbox.coverage IS 'How many events were delivered first (revision 0) on a day (UTC), and how many of them with a field; field empty: all';

CREATE TABLE outbox.circuit (
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    destination SMALLINT NOT NULL,
    holder TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    CONSTRAINT circuit_pkey PRIMARY KEY (destination, holder)
);

COMMENT ON TABLE outbox.circuit IS 'Whether a destination takes deliveries, as each dispatcher sees it (0: intake, its presence); seen_at: its last word';

CREATE TABLE outbox.alert (
    raised_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock(),
    passed_at TIMESTAMP WITH TIME ZONE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    CONSTRAINT alert_pkey PRIMARY KEY (kind, subject)
);

COMMENT ON TABLE outbox.alert IS 'What somebody is alerted to: told once, and once more when it is over; due_at: when it is to be told, NULL: it was';

CREATE INDEX receipt_dead ON outbox.receipt (destination, event_id, revision) INCLUDE (reason) WHERE outcome = 'dead';

-- The same checks at a lower price.
-- Why an object of an event cannot be kept, or NULL. What passes here can be read again by every program: some JSON
-- readers give up beyond a thousand levels or beyond the range of a double, and a number such as 1e-16000, short as it
-- is stored, is written out in full.
CREATE OR REPLACE FUNCTION outbox.unusable(value jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(value) <> 'object' THEN 'expected a JSON object'
    WHEN pg_column_size(value) > 65536 THEN 'larger than 64 kB'
    WHEN value @? 'strict $.**{33}' THEN 'nested deeper than 32 levels'
    WHEN value @? 'strict $.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300 || (@ > -1e-300 && @ < 1e-300 && @ != 0)))'
        THEN 'holds a number out of range'
END;

-- After every INSERT into outbox.event, whoever makes it: what holds for all writers, and the intake rows.
CREATE OR REPLACE FUNCTION outbox.event_recorded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
BEGIN
    -- One statement: each costs a CRM's transaction as much as the checks themselves.
    SELECT wrong INTO problem
    FROM recorded, LATERAL (SELECT CASE
        WHEN NOT EXISTS (SELECT FROM outbox.step WHERE step.name = recorded.name)
            THEN 'name: not a step of the funnel; the table outbox.step lists them'
        WHEN occurred_at > outbox.clock() + interval '7 days' THEN 'occurred_at: lies more than 7 days ahead'
        WHEN occurred_at < '1970-01-01' THEN 'occurred_at: lies before 1970'
        ELSE coalesce('sealed: ' || outbox.unusable(sealed), 'visitor: ' || outbox.unusable(visitor),
                      'campaign: ' || outbox.unusable(campaign), 'details: ' || outbox.unusable(details),
                      'consent: ' || outbox.unusable(consent))
        END) AS checked (wrong)
    WHERE wrong IS NOT NULL
    LIMIT 1;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = '22023';
    END IF;
    INSERT INTO outbox.intake (event_id) SELECT id FROM recorded ORDER BY id;
    RETURN NULL;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_dispatcher') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.minute, outbox.coverage, outbox.circuit, outbox.alert TO outbox_dispatcher;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_reader') THEN
        GRANT SELECT ON outbox.minute, outbox.coverage, outbox.circuit, outbox.alert TO outbox_reader;
    END IF;
END
$$;
