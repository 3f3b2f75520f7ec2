-- Returns what one destination was sent of some events: the last revision decided and the last ended, whether one is in
-- flight, whether any was delivered, the account it was first sent under, the fields that were sent, the first attempt, and
-- what is fixed since then. What other destinations of the same kind sent to the same dataset counts too.
-- Relies on event_pkey, receipt_pkey, attempt_pkey, revision_pkey; lease holds a few rows.
WITH twins AS MATERIALIZED (
    SELECT other.id, other.id = %(destination)s AS is_own
    FROM outbox.destination AS own JOIN outbox.destination AS other USING (kind) WHERE own.id = %(destination)s
), known AS MATERIALIZED (
    SELECT receipt.*
    FROM twins JOIN outbox.receipt ON receipt.destination = twins.id
    WHERE receipt.event_id = ANY (%(ids)s) AND (is_own OR dataset = %(dataset)s)
)
SELECT event.id AS event_id, greatest(ended.revision, decided.revision) AS revision, ended.revision AS ended_revision,
       event.id IN (SELECT unnest(event_ids) FROM outbox.lease WHERE destination = %(destination)s) AS in_flight,
       coalesce(ended.delivered, false) AS delivered, ended.account_id, sent.fields AS sent,
       least(ended.at, tried.at) AS first_at,
       outbox.sent_as(event.id, %(destination)s::smallint, %(dataset)s::text, true) AS sent_as
FROM outbox.event
CROSS JOIN LATERAL (
    SELECT max(revision) AS revision, bool_or(outcome = 'delivered') AS delivered,
           (array_agg(account_id ORDER BY at) FILTER (WHERE account_id IS NOT NULL))[1] AS account_id,
           min(at) FILTER (WHERE status IS NOT NULL) AS at
    FROM known WHERE event_id = event.id
) AS ended
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT field) AS fields
    FROM known, string_to_table(known.sent, ' ') AS field
    WHERE event_id = event.id AND outcome = 'delivered'
) AS sent
CROSS JOIN LATERAL (
    SELECT min(at) AS at FROM outbox.attempt
    WHERE event_id = event.id AND (destination = %(destination)s OR sent_as ->> 'dataset' = %(dataset)s)
) AS tried
CROSS JOIN LATERAL (
    SELECT max(revision) AS revision FROM outbox.revision WHERE event_id = event.id AND destination = %(destination)s
) AS decided
WHERE event.id = ANY (%(ids)s)
