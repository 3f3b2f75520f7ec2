-- Which of some events lack the receipt of a destination or of a decided revision; the others are pending nowhere.
-- Relies on receipt_pkey, revision_pkey.
SELECT given.id
FROM unnest(%(ids)s::bigint[]) AS given (id)
WHERE EXISTS (SELECT FROM outbox.destination
              WHERE NOT EXISTS (SELECT FROM outbox.receipt
                                WHERE receipt.event_id = given.id AND receipt.destination = destination.id
                                  AND receipt.revision = 0))
   OR EXISTS (SELECT FROM outbox.revision
              WHERE revision.event_id = given.id
                AND NOT EXISTS (SELECT FROM outbox.receipt
                                WHERE receipt.event_id = given.id AND receipt.destination = revision.destination
                                  AND receipt.revision = revision.revision))
