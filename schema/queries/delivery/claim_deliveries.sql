-- Claims up to :limit due deliveries of one destination that have :losses (0: ordinary ones), those due longest, and, while a
-- backlog is worked off, beside them up to :newest ordinary ones that became due last: moves them from the queue into
-- one lease row, in one statement, so that a row is never in neither place. :since is the low watermark. Returns no row, or
-- one for every 100 deliveries: the lease, and the deliveries with their events as one JSON text of arrays
-- (dispatcher.models.ClaimedDelivery). That is decoded several times faster than as many rows of as many columns; a single text of
-- megabytes would be copied repeatedly as it grows. Relies on delivery_pkey (destination, due_at, …), for suspects on
-- delivery_suspect, for re-sends on revision_pkey. The bounds are row comparisons, so that it is one walk along the index: for three plain conditions on a
-- queue that has just filled, the planner expects two rows, and sorts them all; for the same reason ordinary rows are those
-- with losses <= 0.
WITH longest AS MATERIALIZED (
    SELECT ctid AS place, due_at FROM outbox.delivery
    WHERE (destination, due_at) >= (%(destination)s, %(since)s)
      AND (destination, due_at) <= (%(destination)s, outbox.clock())
      AND CASE WHEN %(losses)s > 0 THEN losses = %(losses)s ELSE losses <= 0 END
    ORDER BY destination, due_at, event_id, revision
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), newest AS MATERIALIZED (
    SELECT ctid AS place FROM outbox.delivery
    WHERE (destination, due_at) >= (%(destination)s, %(since)s)
      AND (destination, due_at) <= (%(destination)s, outbox.clock())
      AND losses <= 0
    ORDER BY destination DESC, due_at DESC, event_id DESC, revision DESC
    LIMIT %(newest)s
    FOR UPDATE SKIP LOCKED
), due AS (
    DELETE FROM outbox.delivery
    WHERE ctid = ANY (ARRAY(SELECT place FROM longest UNION ALL SELECT place FROM newest))
    RETURNING event_id, revision, tries, first_unknown_at, due_at, sent_as
), leased AS (
    INSERT INTO outbox.lease (destination, losses, holder, expires_at, event_ids, revisions, tries, first_unknown_ats, sent_as)
    SELECT %(destination)s, %(losses)s, %(holder)s, outbox.clock() + %(lease)s,
           array_agg(event_id), array_agg(revision), array_agg(tries), array_agg(first_unknown_at), array_agg(sent_as)
    FROM due
    HAVING count(*) > 0
    RETURNING id, claimed_at, event_ids, revisions, tries, first_unknown_ats, sent_as
)
SELECT leased.id, leased.claimed_at, (SELECT max(due_at) FROM longest) AS latest, cardinality(leased.event_ids) AS count,
       held.deliveries
FROM leased
CROSS JOIN LATERAL generate_series(1, cardinality(leased.event_ids), 100) AS first
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(
               json_build_array(event.id, event.occurred_at, event.recorded_at, event.name, event.event_id, event.handl_id,
                                event.lead_id, event.account_id,
                                json_build_array(event.sealed, event.visitor, event.campaign, event.details, event.consent,
                                                 event.public)),
               due.revision, due.tries, due.first_unknown_at, due.sent_as,
               CASE WHEN due.revision > 0 THEN EXISTS (
                   SELECT FROM outbox.revision
                   WHERE revision.event_id = due.event_id AND revision.destination = %(destination)s AND reason = 'merge')
               ELSE false END))::text AS deliveries
    FROM unnest(leased.event_ids[first:first + 99], leased.revisions[first:first + 99], leased.tries[first:first + 99],
                leased.first_unknown_ats[first:first + 99], leased.sent_as[first:first + 99])
         AS due (event_id, revision, tries, first_unknown_at, sent_as)
    JOIN outbox.event ON event.id = due.event_id
    HAVING count(*) > 0
) AS held
