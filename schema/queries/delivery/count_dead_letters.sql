-- Counts the open dead letters by destination, up to :most each. Relies on receipt_failed, revision_pkey.
SELECT destination.id, count(letter.is_open) AS count
FROM outbox.destination
LEFT JOIN LATERAL (
    SELECT true AS is_open FROM outbox.receipt
    WHERE receipt.destination = destination.id AND receipt.outcome = 'failed'
      AND NOT EXISTS (
          SELECT FROM outbox.revision
          WHERE revision.event_id = receipt.event_id AND revision.destination = receipt.destination
            AND revision.revision > receipt.revision)
    LIMIT %(most)s
) AS letter ON true
GROUP BY destination.id ORDER BY destination.id
