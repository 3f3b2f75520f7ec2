-- Adds to the tallies of this minute and this day (UTC), and says what a dispatcher sees of each destination. In one order
-- for every dispatcher, so that two cannot deadlock. Relies on minute_pkey, coverage_pkey, circuit_pkey.
--
-- JSON arrays: :minutes of destination, outcome, reason, count, seconds, longest; :coverage of destination, step, field,
-- events; :circuits of destination, state, reason.
WITH minutes AS (
    INSERT INTO outbox.minute AS kept (minute, destination, outcome, reason, count, seconds, longest)
    SELECT date_trunc('minute', outbox.clock()), destination, outcome, reason, count, seconds, longest
    FROM jsonb_to_recordset(%(minutes)s) AS told (
        destination smallint, outcome text, reason text, count bigint, seconds float8, longest float8)
    ORDER BY destination, outcome, reason
    ON CONFLICT (minute, destination, outcome, reason) DO UPDATE
    SET count = kept.count + excluded.count, seconds = kept.seconds + excluded.seconds,
        longest = greatest(kept.longest, excluded.longest)
), coverage AS (
    INSERT INTO outbox.coverage AS kept (day, destination, step, field, events)
    SELECT (outbox.clock() AT TIME ZONE 'UTC')::date, destination, step, field, events
    FROM jsonb_to_recordset(%(coverage)s) AS told (destination smallint, step text, field text, events bigint)
    ORDER BY destination, step, field
    ON CONFLICT (day, destination, step, field) DO UPDATE SET events = kept.events + excluded.events
)
INSERT INTO outbox.circuit AS seen (destination, holder, state, reason, since, seen_at)
SELECT destination, %(holder)s, state, reason, outbox.clock(), outbox.clock()
FROM jsonb_to_recordset(%(circuits)s) AS told (destination smallint, state text, reason text)
ON CONFLICT (destination, holder) DO UPDATE
SET state = excluded.state, reason = excluded.reason, seen_at = excluded.seen_at,
    since = CASE WHEN seen.state = excluded.state THEN seen.since ELSE excluded.since END
