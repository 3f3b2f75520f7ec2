-- Notes that a dispatcher looks for expired leases, and returns the time, since when that was never left out for half a lease
-- time (by this clock, so a jump counts too), and how many leases have expired, except :held. lease_watch has one row.
WITH shared AS (
    SELECT FROM outbox.lease WHERE false FOR UPDATE -- see exclude_dispatchers: while it lasts, nobody can settle
), watched AS (
    INSERT INTO outbox.lease_watch (one, since, seen_at) VALUES (true, outbox.clock(), outbox.clock())
    ON CONFLICT (one) DO UPDATE
    SET seen_at = excluded.seen_at,
        since = CASE
            WHEN excluded.seen_at BETWEEN lease_watch.seen_at - %(lease)s::interval / 4 AND lease_watch.seen_at + %(lease)s::interval / 2
            THEN lease_watch.since ELSE excluded.since END
    RETURNING since, seen_at
)
SELECT seen_at AS now, since, (
    SELECT count(*) FROM outbox.lease WHERE expires_at < seen_at AND id <> ALL (%(held)s::bigint[])) AS expired
FROM watched
