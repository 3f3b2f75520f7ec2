-- Removes the receipts, attempts and revisions of some events that are pending nowhere, and, except those that identity rests
-- on (:needed), the events too. It is one statement, so that no event is ever seen without its receipts that could still be
-- pending. Events not older than :age (an interval) stay. When an event was seen is kept where others were seen on its
-- browser: parallel arrays :fragment_ids, :ats, :fragment_events of what is not. Returns how many events were removed, and how
-- many stay without their receipts. Only under exclude_dispatchers.
-- Relies on event_pkey, receipt_pkey, attempt_pkey, revision_pkey, raw_pkey, merge_pkey, fragment_event_pkey.
WITH old AS MATERIALIZED (
    SELECT given.id, given.id = ANY (%(needed)s::bigint[]) AS is_needed
    FROM unnest(%(ids)s::bigint[]) AS given (id)
    JOIN outbox.event ON event.id = given.id
    WHERE greatest(event.occurred_at, event.recorded_at) <= outbox.clock() - %(age)s
      AND NOT EXISTS (SELECT FROM outbox.receipt WHERE event_id = given.id AND at > outbox.clock() - %(age)s)
), receipts AS (
    DELETE FROM outbox.receipt USING old WHERE receipt.event_id = old.id
), attempts AS (
    DELETE FROM outbox.attempt USING old WHERE attempt.event_id = old.id
), revisions AS (
    DELETE FROM outbox.revision USING old WHERE revision.event_id = old.id
), merges AS (
    DELETE FROM outbox.merge USING old WHERE merge.event_id = old.id
), raws AS (
    DELETE FROM outbox.raw USING old WHERE raw.event_id = old.id
), fragment_events AS (
    DELETE FROM outbox.fragment_event
    USING unnest(%(fragment_ids)s::uuid[], %(ats)s::bigint[], %(fragment_events)s::bigint[])
              AS given (fragment_id, at, event_id)
          JOIN old ON old.id = given.event_id AND NOT old.is_needed
    WHERE fragment_event.fragment_id = given.fragment_id AND fragment_event.at = given.at
      AND fragment_event.event_id = given.event_id
), gone AS (
    DELETE FROM outbox.event USING old WHERE event.id = old.id AND NOT old.is_needed RETURNING event.id
)
SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM old WHERE is_needed) AS kept
