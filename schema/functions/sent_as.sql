-- What is fixed for an event at a destination since the first send that may have been taken (dispatcher.models.SentAs), or NULL
-- if there was none: the first attempt with an unknown outcome or the first delivery, under the first account that was sent.
-- :dataset, if given, also finds what other destinations of the same kind sent to it. :may_add_account leaves the account
-- open where none was sent, for a re-send. Relies on attempt_pkey, receipt_pkey.
CREATE FUNCTION outbox.sent_as(of_event bigint, at_destination smallint, to_dataset text, may_add_account boolean) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
WITH twins AS (
    SELECT other.id FROM outbox.destination AS own JOIN outbox.destination AS other USING (kind) WHERE own.id = at_destination
), sends AS (
    SELECT at, sent_as FROM outbox.attempt
    WHERE event_id = of_event AND sent_as IS NOT NULL
      AND (destination = at_destination OR destination IN (SELECT id FROM twins) AND sent_as ->> 'dataset' = to_dataset)
    UNION ALL
    SELECT at, jsonb_strip_nulls(jsonb_build_object('event_name', event_name, 'event_time', event_time, 'dataset', dataset))
               || jsonb_build_object('account_id', account_id)
    FROM outbox.receipt
    WHERE event_id = of_event AND outcome = 'delivered' AND dataset IS NOT NULL
      AND (destination = at_destination OR destination IN (SELECT id FROM twins) AND dataset = to_dataset)
), first AS (
    SELECT sent_as, (SELECT sent_as ->> 'account_id' FROM sends WHERE sent_as ->> 'account_id' IS NOT NULL ORDER BY at LIMIT 1) AS account_id
    FROM sends ORDER BY at LIMIT 1
)
SELECT CASE WHEN may_add_account AND account_id IS NULL THEN sent_as - 'account_id'
            ELSE sent_as || jsonb_build_object('account_id', account_id) END
FROM first
$$;
