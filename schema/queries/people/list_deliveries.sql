-- What became of some events at each destination, and what is still pending of them (outcome `pending`, `being sent`; without
-- a destination: `waiting for intake`), in the order of events. Relies on receipt_pkey, intake_pkey; looks through the
-- deliveries and leases, once.
SELECT pending.event_id, destination.name, pending.revision, pending.outcome, pending.reason, pending.at
FROM (
    SELECT event_id, destination, revision, outcome, reason, at FROM outbox.receipt WHERE event_id = ANY (%(ids)s)
    UNION ALL
    SELECT event_id, destination, revision, 'pending', NULL, due_at FROM outbox.delivery WHERE event_id = ANY (%(ids)s)
    UNION ALL
    SELECT held.event_id, destination, held.revision, 'being sent', NULL, claimed_at
    FROM outbox.lease, unnest(event_ids, revisions) AS held (event_id, revision)
    WHERE destination IS NOT NULL AND held.event_id = ANY (%(ids)s)
    UNION ALL
    SELECT event_id, NULL, 0, 'waiting for intake', NULL, NULL FROM outbox.intake WHERE event_id = ANY (%(ids)s)
    UNION ALL
    SELECT held.event_id, NULL, 0, 'waiting for intake', NULL, claimed_at
    FROM outbox.lease, unnest(event_ids) AS held (event_id)
    WHERE destination IS NULL AND held.event_id = ANY (%(ids)s)
) AS pending
LEFT JOIN outbox.destination ON destination.id = pending.destination
ORDER BY pending.event_id, destination.id, pending.revision
