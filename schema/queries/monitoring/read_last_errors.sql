-- What each destination complained about last, since :since ago: outcome, reason, and the minute.
-- Relies on minute_pkey, which begins with the minute.
SELECT DISTINCT ON (destination) destination, outcome, reason, minute
FROM outbox.minute
WHERE minute > outbox.clock() - %(since)s::interval AND outcome NOT IN ('delivered', 'skipped')
ORDER BY destination, minute DESC, count DESC
