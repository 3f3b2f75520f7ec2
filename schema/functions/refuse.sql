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
        WHEN event.recorded_at NOT BETWEEN '1970-01-01' AND outbox.clock() + interval '7 days'
            THEN 'recorded_at: lies before 1970 or more than 7 days ahead'
        ELSE coalesce('sealed: ' || outbox.unusable(event.sealed), 'visitor: ' || outbox.unusable(event.visitor),
                      'campaign: ' || outbox.unusable(event.campaign), 'details: ' || outbox.unusable(event.details),
                      'consent: ' || outbox.unusable(event.consent),
                      CASE WHEN outbox.size(event.sealed, event.visitor, event.campaign, event.details, event.consent) > 65536
                          THEN 'event: larger than 64 kB' END)
    END;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = '22023';
    END IF;
END
$$;
