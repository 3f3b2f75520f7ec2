-- Recording at two thirds of the price: what is nearly always the case is read and checked in one step each. Functions
-- alone, so that no writer waits for a lock.
-- Why an object of an event cannot be kept, or NULL. What passes here can be read again by every program: some JSON
-- readers give up beyond a thousand levels or beyond the range of a double, and a number such as 1e-16000, short as it
-- is stored, is written out in full. || gives a value as it is, not as it may lie in a table, compressed.
CREATE OR REPLACE FUNCTION outbox.unusable(value jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(value) <> 'object' THEN 'expected a JSON object'
    WHEN pg_column_size(value || '{}') > 65536 THEN 'larger than 64 kB'
    WHEN value @? 'strict $.**{33}' THEN 'nested deeper than 32 levels'
    WHEN value @? 'strict $.** ? (@.type() == "number").abs() ? (@ > 1e300 || (@ < 1e-300 && @ != 0))'
        THEN 'holds a number out of range'
END;

-- An event field by field, where outbox.parse_event found anything but the ordinary.
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
                    -- PostgreSQL would also take 'tomorrow' and 'infinity', and pass over a zone's name in silence.
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
            ELSE NULL; -- a person goes to outbox.raw, see outbox.record
            END CASE;
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
    IF event ? 'sealed' AND event ? 'person' AND event -> 'sealed' <> 'null' AND event -> 'person' <> 'null' THEN
        RAISE EXCEPTION 'sealed: give either sealed or person, not both' USING ERRCODE = '22023';
    END IF;
    parsed.event_id := coalesce(parsed.event_id, gen_random_uuid()::text);
    parsed.occurred_at := coalesce(parsed.occurred_at, outbox.clock());
    parsed.notes := nullif(noted, '{}');
    RETURN parsed;
END
$$;

-- One event as JSON (design: the shape of outbox.record) to one row of outbox.event; id and recorded_at stay NULL.
-- A structural mistake raises 22023 and names the field, never a value. What is optional and unusable is left out and
-- noted. An event_id too long for an index is replaced by its hash, so that a repeat is still the same event.
--
-- Nearly always all is as it should be, and PostgreSQL takes the JSON apart by itself; it would take much else for a text
-- or a time, so that whatever is only a little out of the ordinary is left to outbox.parse_fields.
CREATE OR REPLACE FUNCTION outbox.parse_event(event jsonb) RETURNS outbox.event
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
            && !(exists($.person) && exists($.sealed))
            && !exists($.**{34}) && !exists($.** ? (@.type() == "number").abs() ? (@ > 1e300 || (@ < 1e-300 && @ != 0)))'
        AND event - '{name,occurred_at,event_id,handl_id,lead_id,account_id,person,sealed,visitor,campaign,details,consent}'::text[]
            = '{}'
        AND pg_column_size(event || '{}') <= 65536 -- not as it may lie in a table, compressed
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
                RETURN parsed;
            END IF;
        EXCEPTION WHEN data_exception THEN
            NULL; -- no such day, say
        END;
    END IF;
    RETURN outbox.parse_fields(event);
END
$$;

-- Says what is the matter with an event that the log does not take, if anything is: raises 22023 and names the field.
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
        WHEN event.occurred_at > outbox.clock() + interval '7 days' THEN 'occurred_at: lies more than 7 days ahead'
        WHEN event.occurred_at < '1970-01-01' THEN 'occurred_at: lies before 1970'
        ELSE coalesce('sealed: ' || outbox.unusable(event.sealed), 'visitor: ' || outbox.unusable(event.visitor),
                      'campaign: ' || outbox.unusable(event.campaign), 'details: ' || outbox.unusable(event.details),
                      'consent: ' || outbox.unusable(event.consent))
    END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = '22023';
    END IF;
END
$$;

-- Records one conversion in the caller's transaction and returns outbox.event.id. The same (name, event_id) a second
-- time changes nothing and returns the first row's id.
--
-- What a caller may notice: a concurrent duplicate waits for the first transaction to end; under REPEATABLE READ and
-- SERIALIZABLE it raises 40001 if that one committed. A structural mistake raises 22023 and names the field.
--
-- SECURITY DEFINER: a CRM needs nothing but EXECUTE on this function, and can read nothing.
CREATE OR REPLACE FUNCTION outbox.record(event jsonb) RETURNS bigint
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
        -- What the trigger on outbox.event does for other writers is done here.
        setting := set_config('outbox.recording', (pg_trigger_depth() + 1)::text, true);
        WITH written AS (
            INSERT INTO outbox.event (occurred_at, name, event_id, handl_id, lead_id, account_id,
                                      sealed, visitor, campaign, details, consent, notes)
            SELECT parsed.occurred_at, parsed.name, parsed.event_id, parsed.handl_id, parsed.lead_id, parsed.account_id,
                   parsed.sealed, parsed.visitor, parsed.campaign, parsed.details, parsed.consent, parsed.notes
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
        -- Nothing is the matter with it: the first row went in between (retention). Record anew.
    END LOOP;
END
$$;

-- Records a JSON array of conversions, all or none, and returns their ids in the order given; else as outbox.record.
CREATE OR REPLACE FUNCTION outbox.record_many(events jsonb) RETURNS bigint[]
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
    -- What the trigger on outbox.event does for other writers is done here.
    setting := set_config('outbox.recording', (pg_trigger_depth() + 1)::text, true);
    WITH given AS MATERIALIZED (
        SELECT ordinality, event -> 'person' AS person, parsed.*
        FROM jsonb_array_elements(events) WITH ORDINALITY AS element (event, ordinality),
             LATERAL outbox.parse_event(event) AS parsed
    ), inserted AS (
        INSERT INTO outbox.event (occurred_at, name, event_id, handl_id, lead_id, account_id,
                                  sealed, visitor, campaign, details, consent, notes)
        SELECT occurred_at, name, event_id, handl_id, lead_id, account_id,
               sealed, visitor, campaign, details, consent, notes
        FROM given JOIN outbox.step USING (name)
        WHERE occurred_at BETWEEN '1970-01-01' AND outbox.clock() + interval '7 days'
        -- In one order for every writer, so that two that record the same events cannot deadlock. Of repeats within
        -- the array the first counts.
        ORDER BY name, event_id, ordinality
        ON CONFLICT (name, event_id) DO NOTHING
        RETURNING id, name, event_id
    ), owed AS (
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
        -- Some were there before: their rows are visible to a new statement only. Or something is the matter with them.
        SELECT array_agg(coalesce(known, outbox.record(event)) ORDER BY ordinality) INTO recorded
        FROM unnest(recorded) WITH ORDINALITY AS id (known, ordinality)
        JOIN jsonb_array_elements(events) WITH ORDINALITY AS element (event, ordinality) USING (ordinality);
    END IF;
    RETURN coalesce(recorded, '{}');
END
$$;

-- After every INSERT into outbox.event, whoever makes it: what holds for all writers, and the intake rows. Our own functions
-- see to both themselves, at a third of the price, and say so by the setting outbox.recording: the depth of the trigger that
-- need not. What somebody's own trigger on the log inserts meanwhile has another.
CREATE OR REPLACE FUNCTION outbox.event_recorded() RETURNS trigger
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
