-- The functions as they were.
CREATE OR REPLACE FUNCTION outbox.unusable(value jsonb) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(value) <> 'object' THEN 'expected a JSON object'
    WHEN pg_column_size(value) > 65536 THEN 'larger than 64 kB'
    WHEN value @? 'strict $.**{33}' THEN 'nested deeper than 32 levels'
    WHEN value @? 'strict $.** ? (@ > 1e300 || @ < -1e300 || (@ > -1e-300 && @ < 1e-300 && @ != 0))'
        THEN 'holds a number out of range'
END;

CREATE OR REPLACE FUNCTION outbox.event_recorded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
BEGIN
    IF EXISTS (SELECT FROM recorded WHERE NOT EXISTS (SELECT FROM outbox.step WHERE step.name = recorded.name)) THEN
        RAISE EXCEPTION 'name: not a step of the funnel; the table outbox.step lists them' USING ERRCODE = '22023';
    END IF;
    IF EXISTS (SELECT FROM recorded WHERE occurred_at > outbox.clock() + interval '7 days') THEN
        RAISE EXCEPTION 'occurred_at: lies more than 7 days ahead' USING ERRCODE = '22023';
    END IF;
    IF EXISTS (SELECT FROM recorded WHERE occurred_at < '1970-01-01') THEN
        RAISE EXCEPTION 'occurred_at: lies before 1970' USING ERRCODE = '22023';
    END IF;
    SELECT field || ': ' || outbox.unusable(value) INTO problem
    FROM recorded, LATERAL (VALUES ('sealed', sealed), ('visitor', visitor), ('campaign', campaign),
                                   ('details', details), ('consent', consent)) AS object (field, value)
    WHERE outbox.unusable(value) IS NOT NULL
    LIMIT 1;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = '22023';
    END IF;
    INSERT INTO outbox.intake (event_id) SELECT id FROM recorded ORDER BY id;
    RETURN NULL;
END
$$;
