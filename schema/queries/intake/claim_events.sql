-- Claims up to :limit events that wait for intake and have :losses, with the raw persons of SQL writers, in the same way as
-- claim_deliveries. Returns one row for every 100 events, these as one JSON text (dispatcher.intake.folding.IntakeEvent),
-- because a text of megabytes is copied again and again while it grows; no row if nothing waits. :since is the low watermark.
-- Ordinary rows are those with losses <= 0, as in claim_deliveries. Relies on intake_pkey, raw_pkey, event_pkey; for suspects
-- on intake_suspect.
WITH due AS (
    DELETE FROM outbox.intake
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM outbox.intake
        WHERE event_id >= %(since)s AND CASE WHEN %(losses)s > 0 THEN losses = %(losses)s ELSE losses <= 0 END
        ORDER BY event_id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED))
    RETURNING event_id
), leased AS (
    INSERT INTO outbox.lease (destination, losses, holder, expires_at, event_ids, revisions, tries, first_unknown_ats)
    SELECT NULL::smallint, %(losses)s, %(holder)s, outbox.clock() + %(lease)s,
           array_agg(event_id), array_agg(0::smallint), array_agg(0::smallint), array_agg(NULL::timestamptz)
    FROM due
    HAVING count(*) > 0
    RETURNING id, claimed_at, event_ids
)
SELECT leased.id, leased.claimed_at, held.latest, cardinality(leased.event_ids) AS count, held.events
FROM leased
CROSS JOIN LATERAL generate_series(1, cardinality(leased.event_ids), 100) AS first
CROSS JOIN LATERAL (
    SELECT max(due.event_id) AS latest,
           json_agg(json_build_array(
               event.id, event.occurred_at, event.recorded_at, event.name, event.handl_id, event.lead_id, event.account_id,
               event.sealed, event.visitor, event.consent, event.public, raw.person))::text AS events
    FROM unnest(leased.event_ids[first:first + 99]) AS due (event_id)
    JOIN outbox.event ON event.id = due.event_id LEFT JOIN outbox.raw ON raw.event_id = due.event_id
    HAVING count(*) > 0
) AS held
