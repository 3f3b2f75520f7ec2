-- Puts the events of an intake lease back into the queue as they were claimed. Relies on lease_pkey.
WITH held AS (
    DELETE FROM outbox.lease WHERE id = %(lease)s AND holder = %(holder)s AND destination IS NULL RETURNING event_ids, tries
)
INSERT INTO outbox.intake (event_id, tries) SELECT pending.* FROM held, unnest(event_ids, tries) AS pending
