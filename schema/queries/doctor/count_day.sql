-- The outcomes of the last day by destination, outcome and reason.
-- Relies on delivery_count_pkey, which begins with the minute.
SELECT destination.name AS destination, outcome, delivery_count.reason, sum(count)::bigint AS count
FROM outbox.delivery_count JOIN outbox.destination ON destination.id = delivery_count.destination
WHERE minute > outbox.clock() - interval '1 day'
GROUP BY destination.name, outcome, delivery_count.reason
