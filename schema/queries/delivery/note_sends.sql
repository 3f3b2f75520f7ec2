-- Notes in a lease, before anything of it is sent, as what each delivery will be sent (dispatcher.models.SentAs): whatever becomes
-- of the process, its repeats are the same send. Returns no row if the lease is gone: then nothing may be sent.
-- Relies on lease_pkey. :sends is a JSON array of event_id, revision, sent_as.
UPDATE outbox.lease
SET sent_as = (
    SELECT array_agg(coalesce(given.sent_as, held.sent_as) ORDER BY held.place)
    FROM unnest(event_ids, revisions, sent_as) WITH ORDINALITY AS held (event_id, revision, sent_as, place)
    LEFT JOIN jsonb_to_recordset(%(sends)s) AS given (event_id bigint, revision smallint, sent_as jsonb) USING (event_id, revision))
WHERE id = %(lease)s AND holder = %(holder)s
RETURNING id
