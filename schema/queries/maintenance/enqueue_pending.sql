-- Enqueues what is pending of some events according to the logs: a delivery for each destination without a receipt, while
-- any window may be open (:open, an interval), and for each revision without one. Tries and unknown outcomes come from the
-- attempts. A revision keeps what was decided with it (requeue_dead_letters, enqueue_resends): when the event was delivered
-- before and, for a re-send, when it was first tried. What a destination no longer takes is skipped, as at intake. Returns
-- the number of deliveries enqueued. Only under exclude_dispatchers.
-- Relies on event_pkey, receipt_pkey, revision_pkey, attempt_pkey.
WITH given AS MATERIALIZED (
    SELECT id, name, occurred_at, recorded_at FROM outbox.event WHERE id = ANY (%(ids)s::bigint[])
), unfinished AS MATERIALIZED (
    SELECT given.id AS event_id, destination.id AS destination,
           CASE WHEN route.step IS NULL THEN 'no route'
                WHEN NOT (destination.enabled AND route.enabled) THEN 'disabled' END AS reason
    FROM given CROSS JOIN outbox.destination
    LEFT JOIN outbox.route ON route.destination = destination.id AND route.step = given.name
    WHERE greatest(given.occurred_at, given.recorded_at) > outbox.clock() - %(open)s
      AND NOT EXISTS (SELECT FROM outbox.receipt
                      WHERE receipt.event_id = given.id AND receipt.destination = destination.id
                        AND receipt.revision = 0)
), skipped AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT event_id, destination, 0, 0, 'skipped', reason FROM unfinished WHERE reason IS NOT NULL
), pending AS (
    SELECT event_id, destination, 0::smallint AS revision, false AS is_resend FROM unfinished WHERE reason IS NULL
    UNION ALL
    SELECT revision.event_id, revision.destination, revision.revision, revision.reason = 'merge'
    FROM given JOIN outbox.revision ON revision.event_id = given.id
    WHERE NOT EXISTS (SELECT FROM outbox.receipt
                      WHERE receipt.event_id = revision.event_id AND receipt.destination = revision.destination
                        AND receipt.revision = revision.revision)
), queued AS (
    INSERT INTO outbox.delivery (destination, due_at, event_id, revision, tries, first_unknown_at, sent_as)
    SELECT pending.destination,
           CASE WHEN given.occurred_at > outbox.clock() + interval '60 s' THEN given.occurred_at ELSE outbox.clock() END,
           pending.event_id, pending.revision, tried.tries, least(tried.first_unknown_at, earlier.first_at),
           outbox.sent_as(pending.event_id, pending.destination, NULL, pending.is_resend)
    FROM pending JOIN given ON given.id = pending.event_id
    CROSS JOIN LATERAL (
        SELECT coalesce(max(try) FILTER (WHERE revision = pending.revision), 0) AS tries,
               min(at) FILTER (WHERE outcome = 'uncertain' OR pending.is_resend AND revision < pending.revision)
                   AS first_unknown_at
        FROM outbox.attempt
        WHERE attempt.event_id = pending.event_id AND attempt.destination = pending.destination
    ) AS tried
    CROSS JOIN LATERAL (
        SELECT min(at) AS first_at
        FROM outbox.receipt
        WHERE receipt.event_id = pending.event_id AND receipt.destination = pending.destination
          AND receipt.revision < pending.revision
          AND (outcome = 'delivered' OR pending.is_resend AND status IS NOT NULL)
    ) AS earlier
    RETURNING event_id
)
SELECT count(*) FROM queued
