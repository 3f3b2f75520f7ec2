-- Claims up to :limit merges for a minute: enqueue_resends deletes them when they are processed, else they become due again.
-- Returns each merge's event with its keys; NULL if the event is gone. Relies on merge_pkey, event_pkey; merges are
-- short-lived.
WITH claimed AS (
    UPDATE outbox.merge SET due_at = outbox.clock() + interval '1 minute'
    WHERE event_id = ANY (ARRAY(
        SELECT event_id FROM outbox.merge WHERE due_at <= outbox.clock() ORDER BY event_id LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED))
    RETURNING event_id
)
SELECT claimed.event_id, event.id, event.occurred_at, event.recorded_at, event.name, event.event_id, event.handl_id,
       event.lead_id, event.account_id
FROM claimed LEFT JOIN outbox.event ON event.id = claimed.event_id
