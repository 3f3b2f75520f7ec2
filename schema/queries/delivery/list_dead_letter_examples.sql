-- Returns the newest :limit open dead letters of one destination and reason (NULL: without a reason).
-- Relies on receipt_failed, event_pkey, revision_pkey.
SELECT event.id, event.name, event.event_id, receipt.at
FROM outbox.receipt
JOIN outbox.event ON event.id = receipt.event_id
JOIN outbox.destination ON destination.id = receipt.destination
WHERE receipt.outcome = 'failed' AND event.notes IS DISTINCT FROM '{erased}'
  AND destination.name = %(destination)s AND receipt.reason IS NOT DISTINCT FROM %(reason)s::text
  AND NOT EXISTS (
      SELECT FROM outbox.revision
      WHERE revision.event_id = receipt.event_id AND revision.destination = receipt.destination
        AND revision.revision > receipt.revision)
ORDER BY event.id DESC LIMIT %(limit)s
