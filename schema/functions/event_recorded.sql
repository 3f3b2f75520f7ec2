-- After every INSERT into outbox.event, whoever makes it: what holds for all writers, and the intake rows.
CREATE FUNCTION outbox.event_recorded() RETURNS trigger
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
