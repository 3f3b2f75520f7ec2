-- How far some events are at each destination that their step is told to, and at any other that has a receipt of them:
-- the newest revision, and how it ended (no outcome: it is pending). Relies on revision_pkey, receipt_pkey; looks in no queue.
-- The limits make each look-up one of its own: PostgreSQL, which thinks that a table of two destinations that it has not
-- counted yet holds hundreds, would else read all receipts at once.
SELECT event.id, destination.name, coalesce(decided.revision, 0), ended.outcome, ended.reason
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
