-- Records a JSON array of conversions, all or none, and returns their ids in the given order; otherwise like outbox.record.
CREATE FUNCTION outbox.record_many(events jsonb) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    recorded bigint[];
    missing bigint;
    before CONSTANT text := coalesce(current_setting('outbox.recording', true), '');
    setting text;
BEGIN
    IF events IS NULL OR jsonb_typeof(events) <> 'array' THEN
        RAISE EXCEPTION 'events: expected a JSON array' USING ERRCODE = '22023';
    END IF;
    -- This function does what the trigger on outbox.event does for other writers.
    setting := set_config('outbox.recording', (pg_trigger_depth() + 1)::text, true);
    WITH given AS MATERIALIZED (
        SELECT ordinality, event -> 'person' AS person, parsed.*
        FROM jsonb_array_elements(events) WITH ORDINALITY AS element (event, ordinality),
             LATERAL outbox.parse_event(event) AS parsed
    ), inserted AS (
        INSERT INTO outbox.event (occurred_at, name, event_id, handl_id, lead_id, account_id,
                                  sealed, visitor, campaign, details, consent, notes, public)
        SELECT occurred_at, name, event_id, handl_id, lead_id, account_id,
               sealed, visitor, campaign, details, consent, notes, coalesce(public, false)
        FROM given JOIN outbox.step USING (name)
        WHERE occurred_at BETWEEN '1970-01-01' AND outbox.clock() + interval '7 days'
        -- In the same order for every writer, so that two writers of the same events cannot deadlock. Of repeats within
        -- the array the first counts.
        ORDER BY name, event_id, ordinality
        ON CONFLICT (name, event_id) DO NOTHING
        RETURNING id, name, event_id
    ), pending AS (
        INSERT INTO outbox.intake (event_id) SELECT id FROM inserted ORDER BY id
    ), persons AS (
        INSERT INTO outbox.raw (event_id, person)
        SELECT id, person
        FROM (
            SELECT DISTINCT ON (inserted.id) inserted.id, person
            FROM inserted JOIN given USING (name, event_id)
            ORDER BY inserted.id, ordinality
        ) AS first
        WHERE person <> 'null' AND outbox.unusable(person) IS NULL
    )
    SELECT array_agg(inserted.id ORDER BY ordinality), count(*) FILTER (WHERE inserted.id IS NULL)
    INTO recorded, missing
    FROM given LEFT JOIN inserted USING (name, event_id);
    setting := set_config('outbox.recording', before, true);
    IF missing > 0 THEN
        -- Some existed before: only a new statement sees their rows. Or some are invalid: outbox.record raises the error.
        SELECT array_agg(coalesce(recorded_id, outbox.record(event)) ORDER BY ordinality) INTO recorded
        FROM unnest(recorded) WITH ORDINALITY AS id (recorded_id, ordinality)
        JOIN jsonb_array_elements(events) WITH ORDINALITY AS element (event, ordinality) USING (ordinality);
    END IF;
    RETURN coalesce(recorded, '{}');
END
$$;
