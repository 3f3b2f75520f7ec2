-- Records one conversion in the caller's transaction and returns outbox.event.id. Recording the same (name, event_id) again
-- changes nothing and returns the id of the first row.
--
-- What a caller may notice: a concurrent duplicate waits for the first transaction to end; under REPEATABLE READ and
-- SERIALIZABLE it raises 40001 if that one committed. A structural mistake raises 22023 with the name of the field.
--
-- SECURITY DEFINER: a CRM needs only EXECUTE on this function, and can read nothing.
CREATE FUNCTION outbox.record(event jsonb) RETURNS bigint
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
        -- This function does what the trigger on outbox.event does for other writers.
        setting := set_config('outbox.recording', (pg_trigger_depth() + 1)::text, true);
        WITH written AS (
            INSERT INTO outbox.event (occurred_at, name, event_id, handl_id, lead_id, account_id,
                                      sealed, visitor, campaign, details, consent, notes, public)
            SELECT parsed.occurred_at, parsed.name, parsed.event_id, parsed.handl_id, parsed.lead_id, parsed.account_id,
                   parsed.sealed, parsed.visitor, parsed.campaign, parsed.details, parsed.consent, parsed.notes,
                   coalesce(parsed.public, false)
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
        -- The event is valid: the first row was deleted in between (retention). Record it again.
    END LOOP;
END
$$;
