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
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    CONSTRAINT alert_pkey PRIMARY KEY (kind, subject)
);

COMMENT ON TABLE outbox.alert IS 'What somebody was alerted to and what has not passed yet: told once, and once more when it is over';

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
