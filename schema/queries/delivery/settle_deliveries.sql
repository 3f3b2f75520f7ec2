-- Settles part or all of a lease: writes receipts and attempts, puts back what is still pending, and removes what it settled
-- from the lease, in one statement. The lease row is the fence: for deliveries that it no longer holds, nothing changes.
-- Returns how many deliveries were settled. Relies on lease_pkey.
--
-- :settlements is a JSON array of dispatcher.models.Settlement: event_id, revision, outcome, reason, status, code, subcode,
-- trace, account_id, sent, sent_at, unknown_at, and due_at for what is still pending. A 'returned' delivery was never tried
-- and leaves no attempt.
WITH held AS MATERIALIZED (
    SELECT * FROM outbox.lease WHERE id = %(lease)s AND holder = %(holder)s FOR UPDATE
), leased AS MATERIALIZED (
    SELECT held.destination, held.claimed_at, leased.*
    FROM held, unnest(event_ids, revisions, tries, first_unknown_ats, sent_as)
         AS leased (event_id, revision, tries, first_unknown_at, sent_as)
), settled AS MATERIALIZED (
    SELECT leased.destination, leased.tries, leased.first_unknown_at, leased.sent_as, given.*
    FROM jsonb_to_recordset(%(settlements)s) AS given (
        event_id bigint, revision smallint, outcome text, reason text, status smallint, code integer, subcode integer,
        trace text, account_id text, sent text, due_at timestamptz, unknown_at timestamptz,
        sent_at timestamptz)
    JOIN leased USING (event_id, revision)
), receipts AS (
    -- The time of sending, not of settling: the database may have been unavailable in between, and the repeat window
    -- counts from the first send.
    INSERT INTO outbox.receipt (event_id, at, destination, revision, tries, outcome, reason, status, code, subcode, trace,
                                account_id, sent, event_name, dataset, event_time)
    SELECT event_id, coalesce(sent_at, outbox.clock()), destination, revision, least(tries + (status IS NOT NULL)::int, 32767), outcome, reason, status, code, subcode,
           trace, account_id, sent, sent_as ->> 'event_name', sent_as ->> 'dataset', (sent_as ->> 'event_time')::timestamptz
    FROM settled WHERE due_at IS NULL
), attempts AS (
    INSERT INTO outbox.attempt (event_id, at, destination, revision, try, outcome, reason, status, code, subcode, trace, sent_as)
    SELECT event_id, coalesce(unknown_at, outbox.clock()), destination, revision, least(tries + 1, 32767), outcome, reason, status,
           code, subcode, trace, CASE WHEN unknown_at IS NOT NULL THEN sent_as END
    FROM settled WHERE due_at IS NOT NULL AND outcome <> 'returned'
    ON CONFLICT (event_id, destination, revision, try) DO NOTHING -- tries stop at the largest smallint
), again AS (
    INSERT INTO outbox.delivery (destination, due_at, event_id, revision, tries, first_unknown_at, sent_as)
    SELECT destination, due_at, event_id, revision, least(tries + (outcome <> 'returned')::int, 32767),
           coalesce(first_unknown_at, unknown_at),
           CASE WHEN coalesce(first_unknown_at, unknown_at) IS NOT NULL THEN sent_as END
    FROM settled WHERE due_at IS NOT NULL
), rest AS MATERIALIZED (
    SELECT array_agg(event_id) AS event_ids, array_agg(revision) AS revisions, array_agg(tries) AS tries,
           array_agg(first_unknown_at) AS first_unknown_ats, array_agg(sent_as) AS sent_as
    FROM leased
    WHERE NOT EXISTS (
        SELECT FROM settled WHERE settled.event_id = leased.event_id AND settled.revision = leased.revision)
), kept AS (
    UPDATE outbox.lease
    SET event_ids = rest.event_ids, revisions = rest.revisions, tries = rest.tries,
        first_unknown_ats = rest.first_unknown_ats, sent_as = rest.sent_as
    FROM rest, held
    WHERE lease.id = held.id AND rest.event_ids IS NOT NULL
), released AS (
    DELETE FROM outbox.lease USING rest, held WHERE lease.id = held.id AND rest.event_ids IS NULL
)
SELECT count(*) FROM settled
