-- What became of deliveries minute by minute, since :since ago. Relies on minute_pkey, which begins with the minute.
SELECT minute, destination, outcome, sum(count)::bigint, sum(seconds)::float8, max(longest)::float8
FROM outbox.minute
WHERE minute > outbox.clock() - %(since)s::interval
GROUP BY minute, destination, outcome
ORDER BY minute, destination, outcome
