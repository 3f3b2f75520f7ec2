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
