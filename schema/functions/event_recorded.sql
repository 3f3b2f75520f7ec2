-- After an INSERT into outbox.event by whoever does not record by our functions, which do both themselves, at a third of the
-- price: what holds for all writers, and the intake rows.
CREATE FUNCTION outbox.event_recorded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong outbox.event;
BEGIN
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
