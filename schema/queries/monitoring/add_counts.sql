-- Adds to the counts of this minute and this day (UTC). With :is_heartbeat, also records that the dispatcher is alive, and
-- the state of each destination as it sees it. Rows have the same order in every dispatcher, so that two cannot deadlock.
-- Relies on delivery_count_pkey, field_coverage_pkey, dispatcher_pkey, destination_state_pkey.
--
-- JSON arrays: :counts of destination, outcome, reason, count, seconds, longest; :coverage of destination, step, field,
-- events; :states of destination, state, reason.
WITH counts AS (
    INSERT INTO outbox.delivery_count AS kept (minute, destination, outcome, reason, count, seconds, longest)
    SELECT date_trunc('minute', outbox.clock()), destination, outcome, reason, count, seconds, longest
    FROM jsonb_to_recordset(%(counts)s) AS given (
        destination smallint, outcome text, reason text, count bigint, seconds float8, longest float8)
    ORDER BY destination, outcome, reason
    ON CONFLICT (minute, destination, outcome, reason) DO UPDATE
    SET count = kept.count + excluded.count, seconds = kept.seconds + excluded.seconds,
        longest = greatest(kept.longest, excluded.longest)
), coverage AS (
    INSERT INTO outbox.field_coverage AS kept (day, destination, step, field, events)
    SELECT (outbox.clock() AT TIME ZONE 'UTC')::date, destination, step, field, events
    FROM jsonb_to_recordset(%(coverage)s) AS given (destination smallint, step text, field text, events bigint)
    ORDER BY destination, step, field
    ON CONFLICT (day, destination, step, field) DO UPDATE SET events = kept.events + excluded.events
), alive AS (
    INSERT INTO outbox.dispatcher (holder)
    SELECT %(holder)s WHERE %(is_heartbeat)s
    ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at
)
INSERT INTO outbox.destination_state AS seen (destination, holder, state, reason, since, seen_at)
SELECT destination, %(holder)s, state, reason, outbox.clock(), outbox.clock()
FROM jsonb_to_recordset(%(states)s) AS given (destination smallint, state text, reason text)
ON CONFLICT (destination, holder) DO UPDATE
SET state = excluded.state, reason = excluded.reason, seen_at = excluded.seen_at,
    since = CASE WHEN seen.state = excluded.state THEN seen.since ELSE excluded.since END
