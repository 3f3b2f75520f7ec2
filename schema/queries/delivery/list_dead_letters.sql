-- Returns the open dead letters by group; :reason, :destination and :step may be NULL (any).
SELECT destination.name AS destination, event.name AS step, receipt.reason, receipt.code, receipt.subcode, count(*),
       min(receipt.at) AS first_at, max(receipt.at) AS last_at, min(event.id) AS example
FROM outbox.receipt
JOIN outbox.event ON event.id = receipt.event_id
JOIN outbox.destination ON destination.id = receipt.destination
WHERE receipt.outcome = 'failed' AND event.notes IS DISTINCT FROM '{erased}'
  AND (%(reason)s::text IS NULL OR receipt.reason = %(reason)s)
  AND (%(destination)s::text IS NULL OR destination.name = %(destination)s)
  AND (%(step)s::text IS NULL OR event.name = %(step)s)
  AND NOT EXISTS (
      SELECT FROM outbox.revision
      WHERE revision.event_id = receipt.event_id AND revision.destination = receipt.destination
        AND revision.revision > receipt.revision)
GROUP BY destination.name, event.name, receipt.reason, receipt.code, receipt.subcode
ORDER BY count(*) DESC, destination.name, event.name, receipt.reason
