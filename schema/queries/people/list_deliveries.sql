-- The outcome of some events at each destination, and what is still pending (outcome `pending` or `being sent`; without a
-- destination: `waiting for intake`), in the order of events. Reads the deliveries and leases once. Relies on receipt_pkey,
-- intake_pkey.
SELECT state.event_id, destination.name, state.revision, state.outcome, state.reason, state.at
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
) AS state
LEFT JOIN outbox.destination ON destination.id = state.destination
ORDER BY state.event_id, destination.id, state.revision
