-- Settles part or all of a lease: writes receipts and attempts, puts back what is still pending, and takes what it settled
-- out of the lease, in one statement. The lease row is the fence: if it is gone, or does not hold a row any more,
-- nothing changes for it. Returns how many rows were settled. Relies on lease_pkey.
--
-- :told is a JSON array: event_id, revision, outcome, reason, status, code, subcode, trace, account_id, sent, and for
-- what is still pending due_at; an outcome of 'returned' was never tried and leaves no trace.
WITH held AS MATERIALIZED (
    SELECT * FROM outbox.lease WHERE id = %(lease)s AND holder = %(holder)s FOR UPDATE
), pending AS MATERIALIZED (
    SELECT held.destination, held.claimed_at, pending.*
    FROM held, unnest(event_ids, revisions, tries, first_unknown_ats) AS pending (event_id, revision, tries, first_unknown_at)
), told AS MATERIALIZED (
    SELECT pending.destination, pending.tries, pending.first_unknown_at, told.*
    FROM jsonb_to_recordset(%(told)s) AS told (
        event_id bigint, revision smallint, outcome text, reason text, status smallint, code integer, subcode integer,
        trace text, account_id text, sent text, due_at timestamptz, unknown_at timestamptz,
        sent_at timestamptz)
    JOIN pending USING (event_id, revision)
), receipts AS (
    -- When it was sent, not when it is settled: the database may have been away in between, and a repeat is counted from
    -- the first send.
    INSERT INTO outbox.receipt (event_id, at, destination, revision, tries, outcome, reason, status, code, subcode, trace,
                                account_id, sent)
    SELECT event_id, coalesce(sent_at, outbox.clock()), destination, revision, tries + (status IS NOT NULL)::int, outcome, reason, status, code, subcode,
           trace, account_id, sent
    FROM told WHERE due_at IS NULL
), attempts AS (
    INSERT INTO outbox.attempt (event_id, at, destination, revision, try, outcome, reason, status, code, subcode, trace)
    SELECT event_id, coalesce(unknown_at, outbox.clock()), destination, revision, tries + 1, outcome, reason, status,
           code, subcode, trace
    FROM told WHERE due_at IS NOT NULL AND outcome <> 'returned'
), again AS (
    INSERT INTO outbox.delivery (destination, due_at, event_id, revision, tries, first_unknown_at)
    SELECT destination, due_at, event_id, revision, tries + (outcome <> 'returned')::int,
           coalesce(first_unknown_at, unknown_at)
    FROM told WHERE due_at IS NOT NULL
), rest AS MATERIALIZED (
    SELECT array_agg(event_id) AS event_ids, array_agg(revision) AS revisions, array_agg(tries) AS tries,
           array_agg(first_unknown_at) AS first_unknown_ats
    FROM pending
    WHERE NOT EXISTS (SELECT FROM told WHERE told.event_id = pending.event_id AND told.revision = pending.revision)
), kept AS (
    UPDATE outbox.lease
    SET event_ids = rest.event_ids, revisions = rest.revisions, tries = rest.tries,
        first_unknown_ats = rest.first_unknown_ats
    FROM rest, held
    WHERE lease.id = held.id AND rest.event_ids IS NOT NULL
), released AS (
    DELETE FROM outbox.lease USING rest, held WHERE lease.id = held.id AND rest.event_ids IS NULL
)
SELECT count(*) FROM told
