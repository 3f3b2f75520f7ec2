-- What became of some events at each destination, and what is still owed of them (outcome `owed`, `being sent`; without
-- a destination: `waiting for intake`), in the order of events. Relies on receipt_pkey, intake_pkey; looks through the
-- deliveries and leases, once.
SELECT owed.event_id, destination.name, owed.revision, owed.outcome, owed.reason, owed.at
FROM (
    SELECT event_id, destination, revision, outcome, reason, at FROM outbox.receipt WHERE event_id = ANY (%(ids)s)
    UNION ALL
    SELECT event_id, destination, revision, 'owed', NULL, due_at FROM outbox.delivery WHERE event_id = ANY (%(ids)s)
    UNION ALL
    SELECT held.event_id, destination, held.revision, 'being sent', NULL, claimed_at
    FROM outbox.lease, unnest(event_ids, revisions) AS held (event_id, revision)
    WHERE destination > 0 AND held.event_id = ANY (%(ids)s)
    UNION ALL
    SELECT event_id, NULL, 0, 'waiting for intake', NULL, NULL FROM outbox.intake WHERE event_id = ANY (%(ids)s)
    UNION ALL
    SELECT held.event_id, NULL, 0, 'waiting for intake', NULL, claimed_at
    FROM outbox.lease, unnest(event_ids) AS held (event_id)
    WHERE destination = 0 AND held.event_id = ANY (%(ids)s)
) AS owed
LEFT JOIN outbox.destination ON destination.id = owed.destination
ORDER BY owed.event_id, destination.id, owed.revision
