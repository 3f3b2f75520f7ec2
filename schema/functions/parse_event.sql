-- Converts one event from JSON (the argument of outbox.record) to a row of outbox.event; id and recorded_at stay NULL.
-- A structural mistake raises 22023 with the name of the field, never a value. Optional values that are unusable are left
-- out and noted. An event_id too long for an index is replaced by its hash, so that a repeat is still the same event.
--
-- Nearly every event is well-formed, and PostgreSQL can convert its JSON to a row at once. That conversion accepts too much
-- as text or time, so anything unusual goes through outbox.parse_fields.
CREATE FUNCTION outbox.parse_event(event jsonb) RETURNS outbox.event
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    parsed outbox.event;
    at CONSTANT text := event ->> 'occurred_at';
BEGIN
    IF jsonb_typeof(event) = 'object'
        AND event @@ '$.name.type() == "string" && !($.occurred_at.type() != "string") && !($.event_id.type() != "string")
            && !($.handl_id.type() != "string") && !($.lead_id.type() != "string") && !($.account_id.type() != "string")
            && !($.person.type() != "object") && !($.sealed.type() != "object") && !($.visitor.type() != "object")
            && !($.campaign.type() != "object") && !($.details.type() != "object") && !($.consent.type() != "object")
            && !exists($.public)
            && !(exists($.person) && exists($.sealed))
            && !exists($.**{34}) && !exists($.** ? (@.type() == "number").abs() ? (@ > 1e300 || (@ < 1e-300 && @ != 0)))'
        AND event - '{name,occurred_at,event_id,handl_id,lead_id,account_id,person,sealed,visitor,campaign,details,consent}'::text[]
            = '{}'
        AND pg_column_size(event || '{}') <= 65536 -- its size uncompressed, as a stored value may be compressed
        AND (at IS NULL
             OR at ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$')
    THEN
        BEGIN
            parsed := jsonb_populate_record(NULL::outbox.event, event);
            IF parsed.name = btrim(parsed.name) AND length(parsed.name) BETWEEN 1 AND 256
                AND (parsed.event_id IS NULL OR parsed.event_id = btrim(parsed.event_id) AND length(parsed.event_id) BETWEEN 1 AND 256)
                AND (parsed.handl_id IS NULL OR parsed.handl_id = btrim(parsed.handl_id) AND length(parsed.handl_id) BETWEEN 1 AND 256)
                AND (parsed.lead_id IS NULL OR parsed.lead_id = btrim(parsed.lead_id) AND length(parsed.lead_id) BETWEEN 1 AND 256)
                AND (parsed.account_id IS NULL
                     OR parsed.account_id = btrim(parsed.account_id) AND length(parsed.account_id) BETWEEN 1 AND 256)
            THEN
                parsed.event_id := coalesce(parsed.event_id, gen_random_uuid()::text);
                parsed.occurred_at := coalesce(parsed.occurred_at, outbox.clock());
                parsed.public := false;
                RETURN parsed;
            END IF;
        EXCEPTION WHEN data_exception THEN
            NULL; -- such as a day that does not exist
        END;
    END IF;
    RETURN outbox.parse_fields(event);
END
$$;
