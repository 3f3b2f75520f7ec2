-- Ends what is owed to a destination that nothing is claimed for (paused, halted) and whose window has closed, looking at
-- the :limit that are due longest. Returns how many. Relies on delivery_pkey (destination, due_at, …), event_pkey.
WITH oldest AS MATERIALIZED (
    SELECT ctid AS place, event_id, revision, tries, first_unknown_at
    FROM outbox.delivery
    WHERE destination = %(destination)s AND due_at <= outbox.clock()
    ORDER BY due_at, event_id, revision
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), closed AS (
    SELECT oldest.*
    FROM oldest JOIN outbox.event ON event.id = oldest.event_id
    WHERE event.occurred_at <= outbox.clock() - %(window)s::interval OR oldest.first_unknown_at <= outbox.clock() - %(repeat)s::interval
), gone AS (
    DELETE FROM outbox.delivery WHERE ctid = ANY (ARRAY(SELECT place FROM closed))
), receipts AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT event_id, %(destination)s, revision, tries, 'dead', 'window closed' FROM closed
)
SELECT count(*) FROM closed
