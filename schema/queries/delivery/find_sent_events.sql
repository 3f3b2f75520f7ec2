-- Returns which of :ids were delivered to any of :destinations or are in flight there: only to these can a merge add
-- anything. Relies on receipt_pkey; lease holds a few rows.
SELECT given.event_id
FROM unnest(%(ids)s::bigint[]) AS given (event_id)
WHERE EXISTS (
        SELECT FROM outbox.receipt
        WHERE receipt.event_id = given.event_id AND destination = ANY (%(destinations)s::smallint[])
          AND outcome = 'delivered'
        OFFSET 0) -- forces a lookup for each event; the planner must not read the whole table into a hash
   OR given.event_id IN (SELECT unnest(event_ids) FROM outbox.lease WHERE destination = ANY (%(destinations)s::smallint[]))
