-- Removes the receipts, attempts and revisions of some events that are pending nowhere, and the events too, unless a fragment
-- refers to them as the last events with a field. It is one statement, so that no event is ever seen without its receipts
-- that could still be pending. Parallel arrays: the events and the keys of their fragments. Events not older than :age (an
-- interval) stay. Returns how many events were removed, and how many stay without their receipts.
-- Only under exclude_dispatchers. Relies on event_pkey, receipt_pkey, attempt_pkey, revision_pkey, raw_pkey, merge_pkey,
-- fragment_pkey, fragment_event_pkey.
WITH old AS MATERIALIZED (
    SELECT given.*,
           EXISTS (SELECT FROM outbox.fragment, jsonb_array_elements(groups) AS field_group
                   WHERE fragment.account_id = given.account_id AND fragment.handl_id = given.handl_id
                     AND fragment.lead_id = given.lead_id
                     AND (field_group ->> 1)::bigint = given.id)
           OR EXISTS (SELECT FROM outbox.fragment, jsonb_array_elements(groups) AS field_group
                      WHERE fragment.account_id = given.account_id AND fragment.handl_id = '' AND fragment.lead_id = ''
                        AND (field_group ->> 1)::bigint = given.id) AS is_needed
    FROM unnest(%(ids)s::bigint[], %(accounts)s::text[], %(handls)s::text[], %(leads)s::text[])
        AS given (id, account_id, handl_id, lead_id)
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
    USING old JOIN outbox.fragment USING (account_id, handl_id, lead_id)
    WHERE fragment_id = fragment.id AND event_id = old.id AND NOT old.is_needed
), gone AS (
    DELETE FROM outbox.event USING old WHERE event.id = old.id AND NOT old.is_needed RETURNING event.id
)
SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM old WHERE is_needed) AS kept
