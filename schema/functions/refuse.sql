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
