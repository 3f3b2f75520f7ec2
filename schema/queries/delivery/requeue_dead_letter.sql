-- Requeues the dead letter of one event at one destination, like requeue_dead_letters. Returns 1, or 0 if there is none.
-- Relies on receipt_pkey, revision_pkey, attempt_pkey.
WITH shared AS (
    SELECT FROM outbox.lease WHERE false FOR UPDATE -- see exclude_dispatchers
), failed AS (
    SELECT receipt.event_id, receipt.destination, receipt.revision
    FROM outbox.receipt
    JOIN outbox.event ON event.id = receipt.event_id
    JOIN outbox.destination ON destination.id = receipt.destination
    WHERE receipt.event_id = %(event)s AND destination.name = %(destination)s
      AND receipt.outcome = 'failed' AND event.notes IS DISTINCT FROM '{erased}'
      AND NOT EXISTS (
          SELECT FROM outbox.revision
          WHERE revision.event_id = receipt.event_id AND revision.destination = receipt.destination
            AND revision.revision > receipt.revision)
), decided AS (
    INSERT INTO outbox.revision (event_id, destination, revision, reason)
    SELECT event_id, destination, revision + 1, 'requeued' FROM failed
    ON CONFLICT (event_id, destination, revision) DO NOTHING
    RETURNING event_id, destination, revision
), enqueued AS (
    INSERT INTO outbox.delivery (event_id, destination, revision, due_at, first_unknown_at, sent_as)
    SELECT event_id, destination, revision, outbox.clock(),
           least(
               (SELECT min(at) FROM outbox.attempt
                WHERE attempt.event_id = decided.event_id AND attempt.destination = decided.destination
                  AND attempt.outcome = 'uncertain'),
               (SELECT min(at) FROM outbox.receipt
                WHERE receipt.event_id = decided.event_id AND receipt.destination = decided.destination
                  AND receipt.outcome = 'delivered')),
           outbox.sent_as(event_id, destination, NULL, false)
    FROM decided
)
SELECT count(*) FROM decided
