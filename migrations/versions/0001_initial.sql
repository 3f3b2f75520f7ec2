-- The schema of the first release: routing tables, logs, queues and leases, identity, counts, and the functions that write
-- them. dispatcher/database/tables.py says what the columns mean, and why they have this order.

-- The clock of every window, lease and due time: the database's own, so that machines cannot disagree. Tests move it by
-- replacing this function. It is STABLE and inlined, so that conditions on it can use an index.
CREATE FUNCTION outbox.clock() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT now() $$;

-- How many bytes some objects take together: as they are in memory or, if that is over the limit of 64 kB, as text if they are
-- smaller so. Not as they may lie in a table, compressed.
CREATE FUNCTION outbox.size(VARIADIC objects jsonb[]) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT CASE WHEN bytes <= 65536 THEN bytes
                ELSE least(bytes, (SELECT sum(octet_length(object::text)) FROM unnest(objects) AS object)) END
    FROM (SELECT sum(pg_column_size(object || '{}')) AS bytes FROM unnest(objects) AS object) AS total
);

-- Returns why an object of an event cannot be stored, or NULL. Every program can read what passes here: some JSON parsers
-- fail beyond a thousand levels or the range of a double, and a number such as 1e-16000, stored in a few bytes, is written
-- out in full. || yields the uncompressed value; a stored one may be compressed.
CREATE FUNCTION outbox.unusable(value jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(value) <> 'object' THEN 'expected a JSON object'
    WHEN pg_column_size(value || '{}') > 65536 AND outbox.size(value) > 65536 THEN 'larger than 64 kB'
    WHEN value @? 'strict $.**{33}' THEN 'nested deeper than 32 levels'
    WHEN value @? 'strict $.** ? (@.type() == "number").abs() ? (@ > 1e300 || (@ < 1e-300 && @ != 0))'
        THEN 'holds a number out of range'
END;

-- Merges the groups of two fragments: keeps the greater log position (occurred_at in microseconds, id) of each field, so that
-- the order of merging does not matter. Groups are an array of [at, id, "field field …"], with each field and each position
-- once and the fields sorted. The latest come first; 'first', whose numbers are negated, comes last. So equal fragments are
-- equal as jsonb.
CREATE FUNCTION outbox.merge_fragments(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(at, id, fields) ORDER BY fields = 'first', at DESC, id DESC), '[]')
    FROM (
        SELECT at, id, string_agg(field, ' ' ORDER BY field COLLATE "C") AS fields
        FROM (
            SELECT DISTINCT ON (field) field, (entry ->> 0)::bigint AS at, (entry ->> 1)::bigint AS id
            FROM jsonb_array_elements(one || other) AS entry, string_to_table(entry ->> 2, ' ') AS field
            ORDER BY field, at DESC, id DESC
        ) AS greatest
        GROUP BY at, id
    ) AS groups
$$;

-- Merges the newest keys of an account: arrays of [kind, key, at, id], each key once, with the position of the last event that
-- carries it. Of each kind the newest 33 are kept: with that many, there may be more. As these are the newest of what was kept
-- on either side, the order of merging does not matter.
CREATE FUNCTION outbox.merge_known(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(kind, key, at, id) ORDER BY kind, place), '[]')
    FROM (
        SELECT kind, key, at, id,
               row_number() OVER (PARTITION BY kind ORDER BY at DESC, id DESC, key COLLATE "C") AS place
        FROM (
            SELECT DISTINCT ON (kind, key) *
            FROM (
                SELECT (entry ->> 0)::int AS kind, entry ->> 1 AS key, (entry ->> 2)::bigint AS at, (entry ->> 3)::bigint AS id
                FROM jsonb_array_elements(one || other) AS entry
            ) AS entries
            ORDER BY kind, key, at DESC, id DESC
        ) AS greatest
    ) AS placed
    WHERE place <= 33
$$;

-- The digest under which a key is remembered when its events are gone.
CREATE FUNCTION outbox.key_digest(kind smallint, key text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT sha256(convert_to(kind || ' ' || key, 'UTF8'))
$$;

CREATE TABLE outbox.alert (
    raised_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock(),
    passed_at TIMESTAMP WITH TIME ZONE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    CONSTRAINT alert_pkey PRIMARY KEY (kind, subject)
);

COMMENT ON TABLE outbox.alert IS 'Alerts, sent once when raised and once when passed; due_at: when to send, NULL: already sent';

CREATE TABLE outbox.attempt (
    event_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    code INTEGER,
    subcode INTEGER,
    destination SMALLINT NOT NULL,
    revision SMALLINT NOT NULL,
    try SMALLINT NOT NULL,
    status SMALLINT,
    outcome TEXT NOT NULL,
    reason TEXT,
    trace TEXT,
    sent_as JSONB,
    CONSTRAINT attempt_pkey PRIMARY KEY (event_id, destination, revision, try),
    CONSTRAINT attempt_outcome_check CHECK (outcome IN ('transient', 'throttled', 'uncertain'))
);

COMMENT ON TABLE outbox.attempt IS 'One try that did not end the delivery: codes only, no payload, no personal data';

CREATE TABLE outbox.click (
    fragment_id UUID NOT NULL,
    digest BIGINT NOT NULL,
    at BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    grade SMALLINT NOT NULL,
    CONSTRAINT click_pkey PRIMARY KEY (fragment_id, grade, digest)
);

COMMENT ON TABLE outbox.click IS 'The first event of a fragment that carries a click; grade: 0 if it refuses, else what it grants';

CREATE TABLE outbox.delivery (
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    event_id BIGINT NOT NULL,
    first_unknown_at TIMESTAMP WITH TIME ZONE,
    destination SMALLINT NOT NULL,
    revision SMALLINT DEFAULT 0 NOT NULL,
    tries SMALLINT DEFAULT 0 NOT NULL,
    losses SMALLINT DEFAULT 0 NOT NULL,
    sent_as JSONB,
    CONSTRAINT delivery_pkey PRIMARY KEY (destination, due_at, event_id, revision)
)
 WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

COMMENT ON TABLE outbox.delivery IS 'One event still pending for one destination';

CREATE INDEX delivery_suspect ON outbox.delivery (destination, losses) WHERE losses > 0;

CREATE TABLE outbox.delivery_count (
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    count BIGINT NOT NULL,
    seconds DOUBLE PRECISION DEFAULT 0 NOT NULL,
    longest DOUBLE PRECISION DEFAULT 0 NOT NULL,
    destination SMALLINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    CONSTRAINT delivery_count_pkey PRIMARY KEY (minute, destination, outcome, reason)
)
 WITH (fillfactor = 50);

COMMENT ON TABLE outbox.delivery_count IS 'How many deliveries or attempts ended in a minute, by outcome and reason; seconds, longest: from recorded to delivered, sum and maximum';

CREATE TABLE outbox.destination (
    id SMALLINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    paused BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT destination_pkey PRIMARY KEY (id),
    CONSTRAINT destination_name_key UNIQUE (name),
    CONSTRAINT destination_id_check CHECK (id > 0)
);

COMMENT ON TABLE outbox.destination IS 'Where conversions are delivered; paused: deliveries wait; not enabled: skipped, no backlog later';

CREATE TABLE outbox.destination_state (
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    destination SMALLINT NOT NULL,
    holder TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    CONSTRAINT destination_state_pkey PRIMARY KEY (destination, holder)
);

COMMENT ON TABLE outbox.destination_state IS 'The state of a destination as each dispatcher last reported it, at seen_at';

CREATE TABLE outbox.dispatcher (
    started_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    holder TEXT NOT NULL,
    CONSTRAINT dispatcher_pkey PRIMARY KEY (holder)
);

COMMENT ON TABLE outbox.dispatcher IS 'The dispatcher processes; seen_at: their last heartbeat';

CREATE TABLE outbox.erasure (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    events INTEGER NOT NULL,
    CONSTRAINT erasure_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE outbox.erasure IS 'When somebody was erased, and how many events were theirs; not who';

CREATE TABLE outbox.event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    occurred_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    name TEXT NOT NULL,
    event_id TEXT DEFAULT gen_random_uuid()::text NOT NULL,
    handl_id TEXT,
    lead_id TEXT,
    account_id TEXT,
    sealed JSONB,
    visitor JSONB,
    campaign JSONB,
    details JSONB,
    consent JSONB,
    notes TEXT[],
    public BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT event_pkey PRIMARY KEY (id),
    CONSTRAINT event_name_event_id_key UNIQUE (name, event_id)
);

COMMENT ON TABLE outbox.event IS 'The log of conversions; a row changes only when its person is sealed or erased';

CREATE TABLE outbox.field_coverage (
    events BIGINT NOT NULL,
    day DATE NOT NULL,
    destination SMALLINT NOT NULL,
    step TEXT NOT NULL,
    field TEXT NOT NULL,
    CONSTRAINT field_coverage_pkey PRIMARY KEY (day, destination, step, field)
)
 WITH (fillfactor = 50);

COMMENT ON TABLE outbox.field_coverage IS 'How many events were first delivered (revision 0) on a day (UTC), and how many of them with a field; field empty: all';

CREATE TABLE outbox.fragment (
    id UUID NOT NULL,
    is_public BOOLEAN DEFAULT false NOT NULL,
    account_id TEXT DEFAULT '' NOT NULL,
    handl_id TEXT DEFAULT '' NOT NULL,
    lead_id TEXT DEFAULT '' NOT NULL,
    emails TEXT DEFAULT '' NOT NULL,
    phones TEXT DEFAULT '' NOT NULL,
    groups JSONB NOT NULL,
    known JSONB,
    CONSTRAINT fragment_pkey PRIMARY KEY (id)
)
 WITH (fillfactor = 80);

COMMENT ON TABLE outbox.fragment IS 'The events that carry the same keys; groups: [time, id, fields] of the events that set a field last; known: the newest keys of an account';

CREATE TABLE outbox.fragment_event (
    fragment_id UUID NOT NULL,
    at BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    CONSTRAINT fragment_event_pkey PRIMARY KEY (fragment_id, at, event_id)
);

COMMENT ON TABLE outbox.fragment_event IS 'The events of a fragment in the order of time; at: microseconds since 1970';

CREATE TABLE outbox.fragment_key (
    fragment_id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    is_public BOOLEAN DEFAULT false NOT NULL,
    key TEXT NOT NULL,
    CONSTRAINT fragment_key_pkey PRIMARY KEY (kind, key, is_public, fragment_id)
);

COMMENT ON TABLE outbox.fragment_key IS 'The keys of each fragment; kind: 1 an account (of the account alone), 2 a handlID, 3 a lead, 4 an e-mail hash, 5 a phone hash';

CREATE TABLE outbox.intake (
    event_id BIGINT NOT NULL,
    losses SMALLINT DEFAULT 0 NOT NULL,
    CONSTRAINT intake_pkey PRIMARY KEY (event_id)
)
 WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

COMMENT ON TABLE outbox.intake IS 'Events that wait for intake: sealing, folding into identity, fan-out to destinations';

CREATE INDEX intake_suspect ON outbox.intake (losses) WHERE losses > 0;

CREATE TABLE outbox.key_mark (
    digest BYTEA NOT NULL,
    is_over_limit BOOLEAN DEFAULT false NOT NULL,
    refusals JSONB DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT key_mark_pkey PRIMARY KEY (digest)
);

COMMENT ON TABLE outbox.key_mark IS 'What is remembered of a key, by its digest only, when its events are gone: that it was shared by too many, that it refused';

CREATE TABLE outbox.leader (
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    role TEXT NOT NULL,
    holder TEXT NOT NULL,
    CONSTRAINT leader_pkey PRIMARY KEY (role)
);

COMMENT ON TABLE outbox.leader IS 'The one dispatcher that holds a role (schedule) until it expires';

CREATE TABLE outbox.lease (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    claimed_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    destination SMALLINT,
    losses SMALLINT DEFAULT 0 NOT NULL,
    holder TEXT NOT NULL,
    event_ids BIGINT[] NOT NULL,
    revisions SMALLINT[] NOT NULL,
    tries SMALLINT[] NOT NULL,
    first_unknown_ats TIMESTAMP WITH TIME ZONE[] NOT NULL,
    sent_as JSONB[],
    CONSTRAINT lease_pkey PRIMARY KEY (id)
)
 WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

COMMENT ON TABLE outbox.lease IS 'A batch that one process holds until it expires (no destination: of intake); if the row is gone, nothing settles';

CREATE TABLE outbox.lease_watch (
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    one BOOLEAN NOT NULL,
    CONSTRAINT lease_watch_pkey PRIMARY KEY (one),
    CONSTRAINT lease_watch_one_check CHECK (one)
);

COMMENT ON TABLE outbox.lease_watch IS 'One row: since when dispatchers have looked for expired leases without a gap, and when one last did';

CREATE TABLE outbox.merge (
    event_id BIGINT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    losses SMALLINT DEFAULT 0 NOT NULL,
    CONSTRAINT merge_pkey PRIMARY KEY (event_id)
)
 WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

COMMENT ON TABLE outbox.merge IS 'Events that connected keys for the first time: events sent before may have gained an identifier';

CREATE INDEX merge_suspect ON outbox.merge (losses) WHERE losses > 0;

CREATE TABLE outbox.raw (
    event_id BIGINT NOT NULL,
    person JSONB NOT NULL,
    CONSTRAINT raw_pkey PRIMARY KEY (event_id)
)
 WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

COMMENT ON TABLE outbox.raw IS 'A person as a SQL writer sent it; the statement that writes the sealed form deletes it';

CREATE TABLE outbox.receipt (
    event_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    event_time TIMESTAMP WITH TIME ZONE,
    code INTEGER,
    subcode INTEGER,
    destination SMALLINT NOT NULL,
    revision SMALLINT NOT NULL,
    tries SMALLINT NOT NULL,
    status SMALLINT,
    outcome TEXT NOT NULL,
    reason TEXT,
    trace TEXT,
    account_id TEXT,
    event_name TEXT,
    dataset TEXT,
    sent TEXT,
    CONSTRAINT receipt_pkey PRIMARY KEY (event_id, destination, revision),
    CONSTRAINT receipt_outcome_check CHECK (outcome IN ('delivered', 'skipped', 'failed'))
);

COMMENT ON TABLE outbox.receipt IS 'How a delivery ended; sent: the names of the fields, each identifier with a short digest: em:62a14e44 ph:1c0…';

CREATE INDEX receipt_failed ON outbox.receipt (destination, event_id, revision) INCLUDE (reason) WHERE outcome = 'failed';

CREATE TABLE outbox.revision (
    event_id BIGINT NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE DEFAULT outbox.clock() NOT NULL,
    destination SMALLINT NOT NULL,
    revision SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT revision_pkey PRIMARY KEY (event_id, destination, revision),
    CONSTRAINT revision_revision_check CHECK (revision > 0)
);

COMMENT ON TABLE outbox.revision IS 'A re-send or requeue that was decided, and why';

CREATE TABLE outbox.step (
    name TEXT NOT NULL,
    action_source TEXT,
    browser_pair BOOLEAN DEFAULT false NOT NULL,
    value NUMERIC,
    currency TEXT,
    CONSTRAINT step_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE outbox.step IS 'The funnel: the steps that may be recorded, and what applies to each at every destination';

CREATE TABLE outbox.stripe_free (
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    opens BOOLEAN NOT NULL,
    subscription TEXT NOT NULL,
    customer TEXT,
    CONSTRAINT stripe_free_pkey PRIMARY KEY (subscription, starts_at)
);

COMMENT ON TABLE outbox.stripe_free IS 'Free time of a subscription at Stripe, in seconds since 1970; opens: the subscription began with it (a trial)';

CREATE TABLE outbox.stripe_invoice (
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    invoice TEXT NOT NULL,
    customer TEXT,
    free JSONB NOT NULL,
    CONSTRAINT stripe_invoice_pkey PRIMARY KEY (invoice)
);

COMMENT ON TABLE outbox.stripe_invoice IS 'The free time of its subscription that was known when an invoice first came; the invoice is judged by it';

CREATE TABLE outbox.stripe_payment (
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    payment TEXT NOT NULL,
    order_id TEXT,
    customer TEXT,
    refunded INT8MULTIRANGE DEFAULT '{}'::int8multirange NOT NULL,
    waiting JSONB DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT stripe_payment_pkey PRIMARY KEY (payment)
);

COMMENT ON TABLE outbox.stripe_payment IS 'The order of a payment at Stripe, what was refunded of it in total, and refunds that wait for the order';

CREATE TABLE outbox.route (
    destination SMALLINT NOT NULL,
    step TEXT NOT NULL,
    event_name TEXT NOT NULL,
    parameters JSONB DEFAULT '{}'::jsonb NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    paused BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT route_pkey PRIMARY KEY (destination, step),
    CONSTRAINT route_destination_fkey FOREIGN KEY(destination) REFERENCES outbox.destination (id),
    CONSTRAINT route_step_fkey FOREIGN KEY(step) REFERENCES outbox.step (name)
);

COMMENT ON TABLE outbox.route IS 'How a step is sent to a destination';

-- Whether a key stands in more than 32 combinations with other keys, so that it connects nobody. As
-- dispatcher.identity.graph.exceeds_limit. Relies on fragment_key_pkey, fragment_pkey.
CREATE FUNCTION outbox.is_over_limit(of_kind smallint, of_key text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT count(*) > 32
    FROM (
        SELECT FROM outbox.fragment_key JOIN outbox.fragment ON fragment.id = fragment_id
        WHERE kind = of_kind AND key = of_key AND NOT fragment_key.is_public
          AND (account_id <> ''
               OR (handl_id <> '')::int + (lead_id <> '')::int + cardinality(string_to_array(emails, ' '))
                  + cardinality(string_to_array(phones, ' ')) > 1)
        LIMIT 33
    ) AS combinations
$$;

-- Converts an event field by field, if outbox.parse_event found anything unusual in it.
CREATE FUNCTION outbox.parse_fields(event jsonb) RETURNS outbox.event
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    local CONSTANT text := '^[0-9]{4}(-[0-9]{2}){2}[Tt ][0-9]{2}(:[0-9]{2}){1,2}([.][0-9]+)?';
    zone CONSTANT text := '[Zz]|[+-][0-9]{2}(:?[0-9]{2})?';
    parsed outbox.event;
    field text;
    value jsonb;
    at text;
    problem text;
    noted text[] := '{}';
BEGIN
    IF event IS NULL OR jsonb_typeof(event) <> 'object' THEN
        RAISE EXCEPTION 'event: expected a JSON object' USING ERRCODE = '22023';
    END IF;
    IF outbox.size(event) > 65536 THEN
        SELECT key INTO field FROM jsonb_each(event) AS each (key, value)
        WHERE key ~ '^[a-z_]{1,40}$' AND outbox.size(each.value) > 65536 LIMIT 1;
        RAISE EXCEPTION '%: larger than 64 kB; record less with it', coalesce(field, 'event') USING ERRCODE = '22023';
    END IF;
    FOR field, value IN SELECT * FROM jsonb_each(event) LOOP
        CONTINUE WHEN value = 'null';
        CASE
        WHEN field IN ('name', 'occurred_at', 'event_id', 'handl_id', 'lead_id', 'account_id') THEN
            IF jsonb_typeof(value) NOT IN ('string', 'number')
               OR (field IN ('name', 'occurred_at') AND jsonb_typeof(value) <> 'string') THEN
                RAISE EXCEPTION '%: expected a string', field USING ERRCODE = '22023';
            END IF;
            at := btrim(value #>> '{}');
            CONTINUE WHEN at = '';
            IF length(at) > 256 AND field <> 'occurred_at' THEN
                CASE field
                WHEN 'event_id' THEN
                    noted := noted || 'event_id: longer than 256 characters, replaced by its SHA-256'::text;
                    at := encode(sha256(convert_to(at, 'UTF8')), 'hex');
                WHEN 'name' THEN
                    at := left(at, 256);
                ELSE
                    noted := noted || (field || ': longer than 256 characters, left out');
                    CONTINUE;
                END CASE;
            END IF;
            CASE field
            WHEN 'name' THEN parsed.name := at;
            WHEN 'event_id' THEN parsed.event_id := at;
            WHEN 'handl_id' THEN parsed.handl_id := at;
            WHEN 'lead_id' THEN parsed.lead_id := at;
            WHEN 'account_id' THEN parsed.account_id := at;
            ELSE
                BEGIN
                    -- PostgreSQL would also accept 'tomorrow' and 'infinity', and ignore the name of a time zone.
                    IF at !~ (local || '( ?(' || zone || '))?$') THEN
                        RAISE invalid_datetime_format;
                    END IF;
                    IF at ~ ('(' || zone || ')$') THEN
                        parsed.occurred_at := at::timestamptz;
                    ELSE
                        parsed.occurred_at := at::timestamp AT TIME ZONE 'UTC';
                    END IF;
                EXCEPTION WHEN data_exception THEN
                    RAISE EXCEPTION 'occurred_at: expected an ISO 8601 time such as 2026-05-24T10:00:00Z'
                        USING ERRCODE = '22023';
                END;
            END CASE;
        WHEN field IN ('person', 'sealed', 'visitor', 'campaign', 'details', 'consent') THEN
            IF jsonb_typeof(value) <> 'object' THEN
                RAISE EXCEPTION '%: expected a JSON object', field USING ERRCODE = '22023';
            END IF;
            problem := outbox.unusable(value);
            IF problem IS NOT NULL THEN
                noted := noted || (field || ': ' || problem || ', left out');
                CONTINUE;
            END IF;
            CASE field
            WHEN 'sealed' THEN parsed.sealed := value;
            WHEN 'visitor' THEN parsed.visitor := value;
            WHEN 'campaign' THEN parsed.campaign := value;
            WHEN 'details' THEN parsed.details := value;
            WHEN 'consent' THEN parsed.consent := value;
            ELSE NULL; -- outbox.record stores a person in outbox.raw
            END CASE;
        WHEN field = 'public' THEN
            IF jsonb_typeof(value) <> 'boolean' THEN
                RAISE EXCEPTION 'public: expected true or false' USING ERRCODE = '22023';
            END IF;
            parsed.public := value::boolean;
        WHEN field = 'notes' AND jsonb_typeof(value) = 'array' THEN
            noted := noted || ARRAY(SELECT left(note, 200) FROM jsonb_array_elements_text(value) AS note LIMIT 50);
        WHEN field ~ '^[a-z_]{1,40}$' THEN
            noted := noted || (field || ': unknown field, left out');
        ELSE
            noted := noted || 'event: unknown field, left out'::text;
        END CASE;
    END LOOP;
    IF parsed.name IS NULL THEN
        RAISE EXCEPTION 'name: missing; give the name of a funnel step' USING ERRCODE = '22023';
    END IF;
    -- What a public form says proves nothing, so it ties nobody to an account.
    IF parsed.public AND parsed.name IN ('signed_in', 'accounts_merged') THEN
        RAISE EXCEPTION 'public: % is never public, as it merges persons', parsed.name USING ERRCODE = '22023';
    END IF;
    IF parsed.public AND parsed.account_id IS NOT NULL THEN
        parsed.account_id := NULL;
        noted := noted || 'account_id: not from a public form, left out'::text;
    END IF;
    IF event ? 'sealed' AND event ? 'person' AND event -> 'sealed' <> 'null' AND event -> 'person' <> 'null' THEN
        RAISE EXCEPTION 'sealed: give either sealed or person, not both' USING ERRCODE = '22023';
    END IF;
    parsed.event_id := coalesce(parsed.event_id, gen_random_uuid()::text);
    parsed.occurred_at := coalesce(parsed.occurred_at, outbox.clock());
    parsed.public := coalesce(parsed.public, false);
    parsed.notes := nullif(noted, '{}');
    RETURN parsed;
END
$$;

-- Converts one event from JSON (the argument of outbox.record) to a row of outbox.event; id and recorded_at stay NULL.
-- A structural mistake raises 22023 with the name of the field, never a value. Optional values that are unusable are left
-- out and noted. An event_id too long for an index is replaced by its hash, so that a repeat is still the same event.
--
-- Nearly every event is well-formed, and PostgreSQL can convert its JSON to a row at once. That conversion accepts too much
-- as text or time, so anything unusual goes through outbox.parse_fields.
CREATE FUNCTION outbox.parse_event(event jsonb) RETURNS outbox.event
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    parsed outbox.event;
    at CONSTANT text := event ->> 'occurred_at';
BEGIN
    IF jsonb_typeof(event) = 'object'
        AND event @@ '$.name.type() == "string" && !($.occurred_at.type() != "string") && !($.event_id.type() != "string")
            && !($.handl_id.type() != "string") && !($.lead_id.type() != "string") && !($.account_id.type() != "string")
            && !($.person.type() != "object") && !($.sealed.type() != "object") && !($.visitor.type() != "object")
            && !($.campaign.type() != "object") && !($.details.type() != "object") && !($.consent.type() != "object")
            && !exists($.public)
            && !(exists($.person) && exists($.sealed))
            && !exists($.**{34}) && !exists($.** ? (@.type() == "number").abs() ? (@ > 1e300 || (@ < 1e-300 && @ != 0)))'
        AND event - '{name,occurred_at,event_id,handl_id,lead_id,account_id,person,sealed,visitor,campaign,details,consent}'::text[]
            = '{}'
        AND pg_column_size(event || '{}') <= 65536 -- its size uncompressed, as a stored value may be compressed
        AND (at IS NULL
             OR at ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$')
    THEN
        BEGIN
            parsed := jsonb_populate_record(NULL::outbox.event, event);
            IF parsed.name = btrim(parsed.name) AND length(parsed.name) BETWEEN 1 AND 256
                AND (parsed.event_id IS NULL OR parsed.event_id = btrim(parsed.event_id) AND length(parsed.event_id) BETWEEN 1 AND 256)
                AND (parsed.handl_id IS NULL OR parsed.handl_id = btrim(parsed.handl_id) AND length(parsed.handl_id) BETWEEN 1 AND 256)
                AND (parsed.lead_id IS NULL OR parsed.lead_id = btrim(parsed.lead_id) AND length(parsed.lead_id) BETWEEN 1 AND 256)
                AND (parsed.account_id IS NULL
                     OR parsed.account_id = btrim(parsed.account_id) AND length(parsed.account_id) BETWEEN 1 AND 256)
            THEN
                parsed.event_id := coalesce(parsed.event_id, gen_random_uuid()::text);
                parsed.occurred_at := coalesce(parsed.occurred_at, outbox.clock());
                parsed.public := false;
                RETURN parsed;
            END IF;
        EXCEPTION WHEN data_exception THEN
            NULL; -- such as a day that does not exist
        END;
    END IF;
    RETURN outbox.parse_fields(event);
END
$$;

-- Raises 22023 with the name of the field if the log does not accept an event; does nothing if it does.
CREATE FUNCTION outbox.refuse(event outbox.event) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
BEGIN
    problem := CASE
        WHEN NOT EXISTS (SELECT FROM outbox.step WHERE step.name = event.name)
            THEN 'name: not a step of the funnel; the table outbox.step lists them'
        WHEN event.occurred_at > outbox.clock() + interval '7 days' THEN 'occurred_at: more than 7 days in the future'
        WHEN event.occurred_at < '1970-01-01' THEN 'occurred_at: before 1970'
        WHEN event.recorded_at NOT BETWEEN '1970-01-01' AND outbox.clock() + interval '7 days'
            THEN 'recorded_at: before 1970 or more than 7 days in the future'
        WHEN event.id < 1 THEN 'id: not a number that the database gives; leave it out'
        WHEN btrim(event.event_id) = '' THEN 'event_id: empty; leave it out for one of our own'
        WHEN octet_length(event.notes::text) > 65536 THEN 'notes: larger than 64 kB'
        ELSE coalesce('sealed: ' || outbox.unusable(event.sealed), 'visitor: ' || outbox.unusable(event.visitor),
                      'campaign: ' || outbox.unusable(event.campaign), 'details: ' || outbox.unusable(event.details),
                      'consent: ' || outbox.unusable(event.consent),
                      CASE WHEN coalesce(outbox.size(event.sealed, event.visitor, event.campaign, event.details, event.consent), 0)
                                + octet_length(concat(event.event_id, event.handl_id, event.lead_id, event.account_id)) > 65536
                          THEN 'event: larger than 64 kB' END)
    END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = '22023';
    END IF;
END
$$;

-- Records one conversion in the caller's transaction and returns outbox.event.id. Recording the same (name, event_id) again
-- changes nothing and returns the id of the first row.
--
-- What a caller may notice: a concurrent duplicate waits for the first transaction to end; under REPEATABLE READ and
-- SERIALIZABLE it raises 40001 if that one committed. A structural mistake raises 22023 with the name of the field.
--
-- SECURITY DEFINER: a CRM needs only EXECUTE on this function, and can read nothing.
CREATE FUNCTION outbox.record(event jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    parsed outbox.event := outbox.parse_event(event);
    recorded bigint;
    before CONSTANT text := coalesce(current_setting('outbox.recording', true), '');
    setting text;
BEGIN
    LOOP
        -- This function does what the trigger on outbox.event does for other writers.
        setting := set_config('outbox.recording', (pg_trigger_depth() + 1)::text, true);
        WITH written AS (
            INSERT INTO outbox.event (occurred_at, name, event_id, handl_id, lead_id, account_id,
                                      sealed, visitor, campaign, details, consent, notes, public)
            SELECT parsed.occurred_at, parsed.name, parsed.event_id, parsed.handl_id, parsed.lead_id, parsed.account_id,
                   parsed.sealed, parsed.visitor, parsed.campaign, parsed.details, parsed.consent, parsed.notes,
                   coalesce(parsed.public, false)
            FROM outbox.step
            WHERE step.name = parsed.name
              AND parsed.occurred_at BETWEEN '1970-01-01' AND outbox.clock() + interval '7 days'
            ON CONFLICT (name, event_id) DO NOTHING
            RETURNING id
        )
        INSERT INTO outbox.intake (event_id) SELECT id FROM written RETURNING event_id INTO recorded;
        setting := set_config('outbox.recording', before, true);
        IF recorded IS NOT NULL THEN
            IF event -> 'person' <> 'null' AND outbox.unusable(event -> 'person') IS NULL THEN
                INSERT INTO outbox.raw (event_id, person) VALUES (recorded, event -> 'person');
            END IF;
            RETURN recorded;
        END IF;
        SELECT id INTO recorded FROM outbox.event WHERE name = parsed.name AND event_id = parsed.event_id;
        IF recorded IS NOT NULL THEN
            RETURN recorded;
        END IF;
        PERFORM outbox.refuse(parsed);
        -- The event is valid: the first row was deleted in between (retention). Record it again.
    END LOOP;
END
$$;

-- Records a JSON array of conversions, all or none, and returns their ids in the given order; otherwise like outbox.record.
CREATE FUNCTION outbox.record_many(events jsonb) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    recorded bigint[];
    missing bigint;
    before CONSTANT text := coalesce(current_setting('outbox.recording', true), '');
    setting text;
BEGIN
    IF events IS NULL OR jsonb_typeof(events) <> 'array' THEN
        RAISE EXCEPTION 'events: expected a JSON array' USING ERRCODE = '22023';
    END IF;
    -- This function does what the trigger on outbox.event does for other writers.
    setting := set_config('outbox.recording', (pg_trigger_depth() + 1)::text, true);
    WITH given AS MATERIALIZED (
        SELECT ordinality, event -> 'person' AS person, parsed.*
        FROM jsonb_array_elements(events) WITH ORDINALITY AS element (event, ordinality),
             LATERAL outbox.parse_event(event) AS parsed
    ), inserted AS (
        INSERT INTO outbox.event (occurred_at, name, event_id, handl_id, lead_id, account_id,
                                  sealed, visitor, campaign, details, consent, notes, public)
        SELECT occurred_at, name, event_id, handl_id, lead_id, account_id,
               sealed, visitor, campaign, details, consent, notes, coalesce(public, false)
        FROM given JOIN outbox.step USING (name)
        WHERE occurred_at BETWEEN '1970-01-01' AND outbox.clock() + interval '7 days'
        -- In the same order for every writer, so that two writers of the same events cannot deadlock. Of repeats within
        -- the array the first counts.
        ORDER BY name, event_id, ordinality
        ON CONFLICT (name, event_id) DO NOTHING
        RETURNING id, name, event_id
    ), pending AS (
        INSERT INTO outbox.intake (event_id) SELECT id FROM inserted ORDER BY id
    ), persons AS (
        INSERT INTO outbox.raw (event_id, person)
        SELECT id, person
        FROM (
            SELECT DISTINCT ON (inserted.id) inserted.id, person
            FROM inserted JOIN given USING (name, event_id)
            ORDER BY inserted.id, ordinality
        ) AS first
        WHERE person <> 'null' AND outbox.unusable(person) IS NULL
    )
    SELECT array_agg(inserted.id ORDER BY ordinality), count(*) FILTER (WHERE inserted.id IS NULL)
    INTO recorded, missing
    FROM given LEFT JOIN inserted USING (name, event_id);
    setting := set_config('outbox.recording', before, true);
    IF missing > 0 THEN
        -- Some existed before: only a new statement sees their rows. Or some are invalid: outbox.record raises the error.
        SELECT array_agg(coalesce(recorded_id, outbox.record(event)) ORDER BY ordinality) INTO recorded
        FROM unnest(recorded) WITH ORDINALITY AS id (recorded_id, ordinality)
        JOIN jsonb_array_elements(events) WITH ORDINALITY AS element (event, ordinality) USING (ordinality);
    END IF;
    RETURN coalesce(recorded, '{}');
END
$$;

-- Remembers what was observed in one of Stripe's events and returns the state that is known then; outbox/stripe/state.py
-- describes both JSON objects, Observed and State. All is done under the lock of the payment's row, so that a step is
-- counted once however many sessions deliver it at a time. Once all events have arrived, the state is the same, in
-- whatever order they arrived:
--   free period   the latest statement about a period counts, by the time that Stripe gives it
--   an invoice    is judged by the free periods that were known when it first arrived: it never counts under two names
--   a payment     belongs to the invoice that names it; but only to itself if Checkout took it without an invoice
--   a refund      counts as far as no earlier step covered the same amount
--
-- SECURITY DEFINER: like outbox.record, so that a CRM needs nothing but EXECUTE.
CREATE FUNCTION outbox.stripe_remember(observed jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at CONSTANT timestamptz := to_timestamp((observed ->> 'at')::bigint);
    step CONSTANT jsonb := observed -> 'step';
    covers int8multirange;
    name text;
    payment outbox.stripe_payment;
    order_found text;
    added bigint := 0;
    released jsonb := '[]';
    free jsonb;
BEGIN
    INSERT INTO outbox.stripe_free AS stored (subscription, starts_at, ends_at, received_at, opens, customer)
    SELECT observed ->> 'subscription', (period ->> 0)::bigint, (period ->> 1)::bigint, at, (period ->> 2)::boolean,
           observed ->> 'customer'
    FROM jsonb_array_elements(observed -> 'free') AS period
    ON CONFLICT (subscription, starts_at) DO UPDATE
    SET ends_at = CASE WHEN (excluded.received_at, excluded.ends_at) > (stored.received_at, stored.ends_at)
                       THEN excluded.ends_at ELSE stored.ends_at END,
        received_at = greatest(excluded.received_at, stored.received_at),
        opens = excluded.opens OR stored.opens
    WHERE (excluded.received_at, excluded.ends_at) > (stored.received_at, stored.ends_at)
       OR excluded.opens > stored.opens;

    SELECT jsonb_agg(jsonb_build_array(starts_at, ends_at, opens)) INTO free
    FROM outbox.stripe_free WHERE subscription = observed ->> 'subscription';
    free := coalesce(free, '[]');
    IF observed ? 'subscription' AND observed ? 'order_id' THEN
        INSERT INTO outbox.stripe_invoice (invoice, received_at, free, customer)
        VALUES (observed ->> 'order_id', at, free, observed ->> 'customer')
        ON CONFLICT (invoice) DO NOTHING;
        SELECT judged.free INTO free FROM outbox.stripe_invoice AS judged WHERE invoice = observed ->> 'order_id';
    END IF;

    FOR name IN SELECT value FROM jsonb_array_elements_text(observed -> 'payments') ORDER BY value LOOP
        INSERT INTO outbox.stripe_payment AS stored (payment, received_at, order_id, customer)
        VALUES (name, at, observed ->> 'order_id', observed ->> 'customer')
        ON CONFLICT ON CONSTRAINT stripe_payment_pkey DO UPDATE
        SET received_at = greatest(excluded.received_at, stored.received_at),
            order_id = CASE WHEN excluded.order_id = stored.payment THEN excluded.order_id
                            ELSE coalesce(stored.order_id, excluded.order_id) END,
            customer = coalesce(stored.customer, excluded.customer)
        RETURNING * INTO payment;
        order_found := payment.order_id;
        IF step IS NOT NULL THEN
            order_found := coalesce(order_found, step ->> 'order_id');
            covers := int8multirange(int8range((step ->> 'before')::bigint, (step ->> 'after')::bigint));
            SELECT coalesce(sum(upper(part) - lower(part)), 0) INTO added
            FROM unnest(covers - payment.refunded) AS part;
            payment.refunded := payment.refunded + covers;
            IF order_found IS NULL AND added > 0 THEN
                payment.waiting := payment.waiting || (step -> 'refund' || jsonb_build_object('amount', added));
            END IF;
        ELSE
            released := released || payment.waiting;
            payment.waiting := '[]';
        END IF;
        UPDATE outbox.stripe_payment AS stored SET refunded = payment.refunded, waiting = payment.waiting
        WHERE stored.payment = name
          AND (stored.refunded, stored.waiting) IS DISTINCT FROM (payment.refunded, payment.waiting);
    END LOOP;

    RETURN jsonb_build_object('free', free, 'order_id', order_found, 'added', added, 'released', released);
END
$$;

-- What is fixed for an event at a destination since the first send that may have been taken (dispatcher.models.SentAs), or NULL
-- if there was none: the first attempt with an unknown outcome or the first delivery, under the first account that was sent.
-- :dataset, if given, also finds what other destinations of the same kind sent to it. :may_add_account leaves the account
-- open where none was sent, for a re-send. Relies on attempt_pkey, receipt_pkey.
CREATE FUNCTION outbox.sent_as(of_event bigint, at_destination smallint, to_dataset text, may_add_account boolean) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
WITH twins AS (
    SELECT other.id FROM outbox.destination AS own JOIN outbox.destination AS other USING (kind) WHERE own.id = at_destination
), sends AS (
    SELECT at, sent_as FROM outbox.attempt
    WHERE event_id = of_event AND sent_as IS NOT NULL
      AND (destination = at_destination OR destination IN (SELECT id FROM twins) AND sent_as ->> 'dataset' = to_dataset)
    UNION ALL
    SELECT at, jsonb_strip_nulls(jsonb_build_object('event_name', event_name, 'event_time', event_time, 'dataset', dataset))
               || jsonb_build_object('account_id', account_id)
    FROM outbox.receipt
    WHERE event_id = of_event AND outcome = 'delivered' AND dataset IS NOT NULL
      AND (destination = at_destination OR destination IN (SELECT id FROM twins) AND dataset = to_dataset)
), first AS (
    SELECT sent_as, (SELECT sent_as ->> 'account_id' FROM sends WHERE sent_as ->> 'account_id' IS NOT NULL ORDER BY at LIMIT 1) AS account_id
    FROM sends ORDER BY at LIMIT 1
)
SELECT CASE WHEN may_add_account AND account_id IS NULL THEN sent_as - 'account_id'
            ELSE sent_as || jsonb_build_object('account_id', account_id) END
FROM first
$$;

-- Runs after every INSERT into outbox.event: checks what holds for all writers, and inserts the intake rows. The functions
-- outbox.record and outbox.record_many do both themselves at a third of the cost. They announce that in the setting
-- outbox.recording, as the depth of the trigger that has nothing to do; rows that another trigger on the log inserts
-- meanwhile have a different depth.
CREATE FUNCTION outbox.event_recorded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong outbox.event;
BEGIN
    IF current_setting('outbox.recording', true) = pg_trigger_depth()::text THEN
        RETURN NULL;
    END IF;
    SELECT * INTO wrong
    FROM recorded
    WHERE NOT EXISTS (SELECT FROM outbox.step WHERE step.name = recorded.name)
       OR occurred_at > outbox.clock() + interval '7 days'
       OR occurred_at < '1970-01-01'
       OR recorded_at NOT BETWEEN '1970-01-01' AND outbox.clock() + interval '7 days'
       OR id < 1
       OR btrim(event_id) = ''
       OR coalesce(outbox.size(sealed, visitor, campaign, details, consent), 0)
          + octet_length(concat(event_id, handl_id, lead_id, account_id)) > 65536
       OR octet_length(notes::text) > 65536
       OR coalesce(outbox.unusable(sealed), outbox.unusable(visitor), outbox.unusable(campaign), outbox.unusable(details),
                   outbox.unusable(consent)) IS NOT NULL
    LIMIT 1;
    IF FOUND THEN
        PERFORM outbox.refuse(wrong);
    END IF;
    INSERT INTO outbox.intake (event_id) SELECT id FROM recorded ORDER BY id;
    RETURN NULL;
END
$$;

CREATE TRIGGER event_recorded AFTER INSERT ON outbox.event
REFERENCING NEW TABLE AS recorded
FOR EACH STATEMENT EXECUTE FUNCTION outbox.event_recorded();

-- Wakes the dispatchers at commit, for latencies of milliseconds. Its trigger is created disabled: NOTIFY reduces what
-- concurrent writers can commit to a half or a third, and polling works without it.
--     ALTER TABLE outbox.event ENABLE TRIGGER event_notify;
CREATE FUNCTION outbox.event_notify() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NOTIFY outbox;
    RETURN NULL;
END
$$;

CREATE TRIGGER event_notify AFTER INSERT ON outbox.event
FOR EACH STATEMENT EXECUTE FUNCTION outbox.event_notify();
ALTER TABLE outbox.event DISABLE TRIGGER event_notify;
