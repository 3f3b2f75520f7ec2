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
