-- Splits an intake lease into one lease for each of its events, so that none can take up another's time. Returns the leases,
-- each with its event; none if the lease is gone. Relies on lease_pkey.
WITH held AS (
    DELETE FROM outbox.lease WHERE id = %(lease)s AND holder = %(holder)s
    RETURNING claimed_at, expires_at, destination, holder, event_ids, tries
)
INSERT INTO outbox.lease (claimed_at, expires_at, destination, holder, event_ids, revisions, tries, first_unknown_ats)
SELECT claimed_at, expires_at, destination, holder, ARRAY[pending.event_id], ARRAY[0::smallint], ARRAY[pending.tries],
       ARRAY[NULL::timestamptz]
FROM held, unnest(event_ids, tries) AS pending (event_id, tries)
RETURNING id, event_ids[1]
