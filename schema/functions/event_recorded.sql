-- After every INSERT into outbox.event, whoever makes it: what holds for all writers, and the intake rows.
CREATE FUNCTION outbox.event_recorded() RETURNS trigger
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
