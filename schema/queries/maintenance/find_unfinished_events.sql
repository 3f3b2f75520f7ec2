-- Which of some events lack the receipt of a destination, or of a revision that was decided; the others are pending to
-- nobody. Relies on receipt_pkey, revision_pkey.
SELECT asked.id
FROM unnest(%(ids)s::bigint[]) AS asked (id)
WHERE EXISTS (SELECT FROM outbox.destination
              WHERE NOT EXISTS (SELECT FROM outbox.receipt
                                WHERE receipt.event_id = asked.id AND receipt.destination = destination.id
                                  AND receipt.revision = 0))
   OR EXISTS (SELECT FROM outbox.revision
              WHERE revision.event_id = asked.id
                AND NOT EXISTS (SELECT FROM outbox.receipt
                                WHERE receipt.event_id = asked.id AND receipt.destination = revision.destination
                                  AND receipt.revision = revision.revision))
