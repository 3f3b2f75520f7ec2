-- The state of some events at each destination that their step has a route to, and at any other with a receipt for them:
-- the newest revision and its outcome (none: pending). Reads no queue. Relies on revision_pkey, receipt_pkey.
-- The LIMIT forces a look-up for each row. Without it PostgreSQL, which assumes hundreds of rows in a table of two
-- destinations that it has not analysed yet, would read all receipts at once.
SELECT event.id, destination.name AS destination, coalesce(decided.revision, 0) AS revision, ended.outcome, ended.reason
FROM outbox.event
CROSS JOIN outbox.destination
LEFT JOIN outbox.route ON route.destination = destination.id AND route.step = event.name
CROSS JOIN LATERAL (
    SELECT max(revision) AS revision FROM outbox.revision
    WHERE revision.event_id = event.id AND revision.destination = destination.id
) AS decided
LEFT JOIN LATERAL (
    SELECT outcome, reason FROM outbox.receipt
    WHERE receipt.event_id = event.id AND receipt.destination = destination.id
      AND receipt.revision = coalesce(decided.revision, 0)
    LIMIT 1
) AS ended ON true
WHERE event.id = ANY (%(ids)s) AND (ended.outcome IS NOT NULL OR route.step IS NOT NULL)
ORDER BY event.id, destination.id
