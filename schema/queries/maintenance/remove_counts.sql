-- Removes counts that are no longer shown: minutes older than :minutes, days older than :days; dispatchers that were not seen
-- for a day, with their reports; daily messages older than two days. Relies on delivery_count_pkey and field_coverage_pkey,
-- which begin with the time; dispatcher, destination_state and alert hold a few rows.
WITH minutes AS (
    DELETE FROM outbox.delivery_count WHERE minute < outbox.clock() - %(minutes)s::interval
), days AS (
    DELETE FROM outbox.field_coverage WHERE day < (outbox.clock() AT TIME ZONE 'UTC')::date - %(days)s::integer
), messages AS (
    DELETE FROM outbox.alert WHERE kind = 'message' AND raised_at < outbox.clock() - interval '2 days'
), dispatchers AS (
    DELETE FROM outbox.dispatcher WHERE seen_at < outbox.clock() - interval '1 day'
)
DELETE FROM outbox.destination_state WHERE seen_at < outbox.clock() - interval '1 day'
