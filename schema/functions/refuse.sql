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
