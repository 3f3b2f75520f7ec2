-- The progress of one event at each destination: its newest revision, that revision's receipt if it has ended, and the
-- time of the first attempt with an unknown outcome; whether a merge led to it, and what its repeats have in common. Reads no queue. Relies on revision_pkey, receipt_pkey, attempt_pkey.
SELECT destination.name, coalesce(decided.revision, 0) AS revision, ended.outcome, ended.reason, ended.at,
       unknown.at AS first_unknown_at, decided.after_merge,
       outbox.sent_as(%(id)s, destination.id, NULL, decided.after_merge OR coalesce(ended.outcome, '') = 'delivered') AS sent_as
FROM outbox.destination
CROSS JOIN LATERAL (
    SELECT max(revision) AS revision, coalesce(bool_or(reason = 'merge'), false) AS after_merge FROM outbox.revision
    WHERE revision.event_id = %(id)s AND revision.destination = destination.id
) AS decided
LEFT JOIN outbox.receipt AS ended
    ON ended.event_id = %(id)s AND ended.destination = destination.id AND ended.revision = coalesce(decided.revision, 0)
CROSS JOIN LATERAL (
    SELECT min(at) AS at FROM outbox.attempt
    WHERE attempt.event_id = %(id)s AND attempt.destination = destination.id AND outcome = 'uncertain'
) AS unknown
ORDER BY destination.id
