-- Ends deliveries whose window has closed at a destination for which nothing is claimed (paused, halted), among the :limit
-- that are due longest. Returns how many. Relies on delivery_pkey (destination, due_at, …), event_pkey, revision_pkey. The bounds are row
-- comparisons as in claim_deliveries.
WITH shared AS (
    SELECT FROM outbox.lease WHERE false FOR UPDATE -- see exclude_dispatchers
), oldest AS MATERIALIZED (
    SELECT ctid AS place, event_id, revision, tries, first_unknown_at
    FROM outbox.delivery
    WHERE (destination, due_at) >= (%(destination)s, '-infinity') AND (destination, due_at) <= (%(destination)s, outbox.clock())
    ORDER BY destination, due_at, event_id, revision
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), closed AS (
    SELECT * FROM oldest
    WHERE (SELECT occurred_at FROM outbox.event WHERE event.id = oldest.event_id) <= outbox.clock() - %(window)s::interval
       OR first_unknown_at <= outbox.clock() - %(repeat)s::interval
), gone AS (
    DELETE FROM outbox.delivery WHERE ctid = ANY (ARRAY(SELECT place FROM closed))
), receipts AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT event_id, %(destination)s, revision, tries, CASE WHEN is_resend THEN 'skipped' ELSE 'failed' END,
           CASE WHEN is_resend THEN 'too late to send again' ELSE 'window closed' END
    FROM closed CROSS JOIN LATERAL (
        SELECT closed.revision > 0 AND EXISTS (
            SELECT FROM outbox.revision
            WHERE revision.event_id = closed.event_id AND revision.destination = %(destination)s AND reason = 'merge') AS is_resend
    ) AS kind
)
SELECT count(*) FROM closed
