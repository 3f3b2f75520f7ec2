-- The next :limit events after :after, with what their keys are read from; whether they are older than :age (an interval) and
-- have no receipt that is younger; and whether they have receipts. Changes nothing. Relies on event_pkey, receipt_pkey.
SELECT event.id, event.occurred_at, event.account_id, event.handl_id, event.lead_id, event.sealed, event.public, event.is_old,
       event.is_old AND NOT EXISTS (SELECT FROM outbox.receipt WHERE event_id = event.id AND at > outbox.clock() - %(age)s)
           AS is_expired,
       event.is_old AND EXISTS (SELECT FROM outbox.receipt WHERE event_id = event.id) AS has_receipts
FROM (
    SELECT *, greatest(occurred_at, recorded_at) <= outbox.clock() - %(age)s AS is_old
    FROM outbox.event WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
) AS event
ORDER BY event.id
