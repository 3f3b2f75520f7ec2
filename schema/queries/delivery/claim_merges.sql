-- Claims due merges: enqueue_resends deletes those that are processed, the others become due again. Every claim counts as a
-- loss until then. Merges with losses come first, for a short time and in small parts, so that one that takes its process
-- down is soon alone: :parts is how many may be claimed at once, by losses (dispatcher.quarantine). Returns each merge with
-- its losses before the claim, and its event with its keys; NULL if the event is gone.
-- Relies on merge_pkey, merge_suspect, event_pkey.
WITH worst AS MATERIALIZED (
    SELECT coalesce(max(losses), 0) AS losses FROM outbox.merge WHERE losses > 0 AND due_at <= outbox.clock()
), claimed AS (
    UPDATE outbox.merge
    SET losses = least(losses + 1, 100),
        due_at = outbox.clock() + CASE WHEN losses > 0 THEN %(seconds)s ELSE 2 * %(seconds)s END * interval '1 second'
    WHERE event_id = ANY (ARRAY(
        SELECT event_id FROM outbox.merge
        WHERE losses = (SELECT losses FROM worst) AND due_at <= outbox.clock()
        ORDER BY event_id
        LIMIT (SELECT (%(parts)s::integer[])[1 + least(losses, cardinality(%(parts)s::integer[]) - 1)] FROM worst)
        FOR UPDATE SKIP LOCKED))
    RETURNING event_id, losses - 1 AS losses
)
SELECT claimed.event_id AS merge_id, claimed.losses, event.id, event.occurred_at, event.recorded_at, event.name,
       event.event_id, event.handl_id, event.lead_id, event.account_id, event.sealed, event.visitor, event.campaign,
       event.details, event.consent, event.public
FROM claimed LEFT JOIN outbox.event ON event.id = claimed.event_id
