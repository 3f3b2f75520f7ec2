-- Which of some events were delivered to any of some destinations, or are just being sent there: to the others a merge can
-- add nothing. Relies on receipt_pkey; lease holds a few rows.
SELECT asked.event_id
FROM unnest(%(ids)s::bigint[]) AS asked (event_id)
WHERE EXISTS (
        SELECT FROM outbox.receipt
        WHERE receipt.event_id = asked.event_id AND destination = ANY (%(destinations)s::smallint[])
          AND outcome = 'delivered'
        OFFSET 0) -- so that it is looked up for each, never read as a whole into a hash
   OR asked.event_id IN (SELECT unnest(event_ids) FROM outbox.lease WHERE destination = ANY (%(destinations)s::smallint[]))
