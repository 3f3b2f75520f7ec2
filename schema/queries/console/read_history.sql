-- The history of one event in order of time: revisions, attempts, receipts.
-- Relies on revision_pkey, attempt_pkey, receipt_pkey.
SELECT history.kind, history.at, destination.name AS destination, history.revision, history.number, history.outcome, history.reason,
       history.status, history.code, history.subcode, history.trace, history.sent
FROM (
    SELECT 'revision' AS kind, decided_at AS at, destination, revision, NULL::smallint AS number, NULL AS outcome, reason,
           NULL::smallint AS status, NULL::integer AS code, NULL::integer AS subcode, NULL AS trace, NULL AS sent
    FROM outbox.revision WHERE event_id = %(id)s
    UNION ALL
    SELECT 'attempt', at, destination, revision, try, outcome, reason, status, code, subcode, trace, NULL
    FROM outbox.attempt WHERE event_id = %(id)s
    UNION ALL
    SELECT 'receipt', at, destination, revision, tries, outcome, reason, status, code, subcode, trace, sent
    FROM outbox.receipt WHERE event_id = %(id)s
) AS history
JOIN outbox.destination ON destination.id = history.destination
ORDER BY history.at, history.revision, history.kind DESC, history.number
