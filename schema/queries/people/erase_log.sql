-- Removes from the log what identifies the persons of some events. An event keeps its name, its times and, of its details,
-- the amount. It also keeps its event_id, by which a repeat is recognised, unless the event_id identifies the person
-- (:identifying). Returns the number of events that were not erased before. Only under exclude_dispatchers.
-- Relies on event_pkey, receipt_pkey, attempt_pkey, raw_pkey, merge_pkey.
WITH receipts AS (
    UPDATE outbox.receipt SET account_id = NULL, sent = NULL, trace = NULL
    WHERE event_id = ANY (%(ids)s::bigint[]) AND num_nonnulls(account_id, sent, trace) > 0
), attempts AS (
    UPDATE outbox.attempt SET trace = NULL, sent_as = NULL
    WHERE event_id = ANY (%(ids)s::bigint[]) AND num_nonnulls(trace, sent_as) > 0
), raws AS (
    DELETE FROM outbox.raw WHERE event_id = ANY (%(ids)s::bigint[])
), merges AS (
    DELETE FROM outbox.merge WHERE event_id = ANY (%(ids)s::bigint[])
), events AS (
    UPDATE outbox.event
    SET handl_id = NULL, lead_id = NULL, account_id = NULL, sealed = NULL, visitor = NULL, campaign = NULL,
        consent = NULL,
        details = nullif(jsonb_strip_nulls(jsonb_build_object(
            'value', CASE WHEN details ->> 'value' ~ '^-?[0-9]{1,12}([.][0-9]{1,6})?$' THEN details -> 'value' END,
            'currency', CASE WHEN details ->> 'currency' ~ '^[A-Za-z]{3}$' THEN details -> 'currency' END)), '{}'),
        event_id = CASE WHEN id = ANY (%(identifying)s::bigint[]) THEN gen_random_uuid()::text ELSE event_id END,
        notes = '{erased}'
    WHERE id = ANY (%(ids)s::bigint[]) AND notes IS DISTINCT FROM '{erased}'
    RETURNING id
), noted AS (
    INSERT INTO outbox.erasure (events) SELECT count(*) FROM events HAVING count(*) > 0
)
SELECT count(*) FROM events
