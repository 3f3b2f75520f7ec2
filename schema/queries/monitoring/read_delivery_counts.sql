-- Returns the counts of deliveries by minute within the last :since. Relies on delivery_count_pkey, which begins with the minute.
SELECT minute, destination, outcome, sum(count)::bigint AS count, sum(seconds)::float8 AS seconds,
       max(longest)::float8 AS longest
FROM outbox.delivery_count
WHERE minute > outbox.clock() - %(since)s::interval
GROUP BY minute, destination, outcome
ORDER BY minute, destination, outcome
