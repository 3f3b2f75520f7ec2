-- How the last day went: by destination, outcome and reason. Relies on minute_pkey, which begins with the minute.
SELECT destination.name, outcome, minute.reason, sum(count)::bigint
FROM outbox.minute JOIN outbox.destination ON destination.id = minute.destination
WHERE minute > outbox.clock() - interval '1 day'
GROUP BY destination.name, outcome, minute.reason
