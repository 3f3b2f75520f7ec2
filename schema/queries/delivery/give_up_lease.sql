-- Ends all of a lease as failed: cannot be processed; a lease of intake at every destination, and what a SQL writer sent raw is
-- deleted unread. Returns how many rows that were. Relies on lease_pkey, receipt_pkey, raw_pkey.
WITH taken AS MATERIALIZED (
    DELETE FROM outbox.lease WHERE id = %(lease)s AND holder = %(holder)s RETURNING *
), rows AS MATERIALIZED (
    SELECT taken.destination, rows.* FROM taken, unnest(event_ids, revisions, tries) AS rows (event_id, revision, tries)
), receipts AS (
    INSERT INTO outbox.receipt (event_id, destination, revision, tries, outcome, reason)
    SELECT event_id, destination.id, revision, tries, 'failed', 'cannot be processed'
    FROM rows JOIN outbox.destination ON destination.id = coalesce(rows.destination, destination.id)
    ON CONFLICT (event_id, destination, revision) DO NOTHING
), forgotten AS (
    DELETE FROM outbox.raw WHERE event_id IN (SELECT event_id FROM rows WHERE destination IS NULL)
), noted AS (
    UPDATE outbox.event SET notes = coalesce(notes, '{}') || 'event: cannot be processed'::text
    WHERE id IN (SELECT event_id FROM rows WHERE destination IS NULL)
)
SELECT count(*) FROM rows
