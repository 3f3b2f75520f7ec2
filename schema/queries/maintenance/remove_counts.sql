-- Removes tallies that nobody asks for any more: minutes after :minutes, days after :days; what dispatchers said that were
-- not heard of for a day; daily messages of the day before yesterday. Relies on minute_pkey and coverage_pkey, which
-- begin with the time; circuit and alert hold a few rows.
WITH minutes AS (
    DELETE FROM outbox.minute WHERE minute < outbox.clock() - %(minutes)s
), days AS (
    DELETE FROM outbox.coverage WHERE day < (outbox.clock() AT TIME ZONE 'UTC')::date - %(days)s::integer
), messages AS (
    DELETE FROM outbox.alert WHERE kind = 'message' AND raised_at < outbox.clock() - interval '2 days'
)
DELETE FROM outbox.circuit WHERE seen_at < outbox.clock() - interval '1 day'
