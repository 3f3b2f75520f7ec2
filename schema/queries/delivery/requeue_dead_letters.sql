-- Requeues up to :limit dead letters, each as a new revision; filters as in list_dead_letters, and only those that failed
-- before :before. It continues after the last one of the previous call (:destination_after, :event_after), so that none is
-- read twice. A revision that a concurrent requeue creates is not created twice. The time of the first attempt that
-- delivered or may have delivered the event is kept, so that a destination that recognises repeats gets none that it would
-- count (a re-send that failed was delivered before). Returns one row: how many were requeued, and destination and event of
-- the last one; no row if there are no more. Relies on receipt_failed, event_pkey, revision_pkey, attempt_pkey,
-- receipt_pkey.
WITH shared AS (
    SELECT FROM outbox.lease WHERE false FOR UPDATE -- see exclude_dispatchers
), failed AS MATERIALIZED (
    SELECT receipt.event_id, receipt.destination, receipt.revision
    FROM outbox.receipt
    JOIN outbox.event ON event.id = receipt.event_id
    JOIN outbox.destination ON destination.id = receipt.destination
    WHERE receipt.outcome = 'failed' AND receipt.at < %(before)s
      AND (receipt.destination, receipt.event_id) > (%(destination_after)s::smallint, %(event_after)s::bigint)
      AND event.notes IS DISTINCT FROM '{erased}'
      AND (%(reason)s::text IS NULL OR receipt.reason = %(reason)s)
      AND (%(destination)s::text IS NULL OR destination.name = %(destination)s)
      AND (%(step)s::text IS NULL OR event.name = %(step)s)
      AND NOT EXISTS (
          SELECT FROM outbox.revision
          WHERE revision.event_id = receipt.event_id AND revision.destination = receipt.destination
            AND revision.revision > receipt.revision)
    ORDER BY receipt.destination, receipt.event_id
    LIMIT %(limit)s
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
SELECT (SELECT count(*) FROM decided) AS count, destination, event_id
FROM failed ORDER BY destination DESC, event_id DESC LIMIT 1
