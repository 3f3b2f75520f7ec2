-- Removes from the log what became of some events that are pending to nobody, and the events too, unless a fragment refers to
-- them as the ones that told a field last; in one statement, so that no event is ever seen without its receipts that
-- still may be pending. Given are the events with the keys of their fragments, as arrays side by side; those that are not
-- older than :age (an interval) stay. Returns how many events are gone, and how many stay without their receipts.
-- Only under exclude_dispatchers. Relies on event_pkey, receipt_pkey, attempt_pkey, revision_pkey, raw_pkey, merge_pkey,
-- fragment_pkey, fragment_event_pkey.
WITH old AS MATERIALIZED (
    SELECT asked.*,
           EXISTS (SELECT FROM outbox.fragment, jsonb_array_elements(groups) AS told
                   WHERE fragment.account_id = asked.account_id AND fragment.handl_id = asked.handl_id
                     AND fragment.lead_id = asked.lead_id
                     AND (told ->> 1)::bigint = asked.id)
           OR EXISTS (SELECT FROM outbox.fragment, jsonb_array_elements(groups) AS told
                      WHERE fragment.account_id = asked.account_id AND fragment.handl_id = '' AND fragment.lead_id = ''
                        AND (told ->> 1)::bigint = asked.id) AS is_needed
    FROM unnest(%(ids)s::bigint[], %(accounts)s::text[], %(handls)s::text[], %(leads)s::text[])
        AS asked (id, account_id, handl_id, lead_id)
    JOIN outbox.event ON event.id = asked.id
    WHERE greatest(event.occurred_at, event.recorded_at) <= outbox.clock() - %(age)s
      AND NOT EXISTS (SELECT FROM outbox.receipt WHERE event_id = asked.id AND at > outbox.clock() - %(age)s)
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
    USING old JOIN outbox.fragment USING (account_id, handl_id, lead_id)
    WHERE fragment_id = fragment.id AND event_id = old.id AND NOT old.is_needed
), gone AS (
    DELETE FROM outbox.event USING old WHERE event.id = old.id AND NOT old.is_needed RETURNING event.id
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM old WHERE is_needed)
