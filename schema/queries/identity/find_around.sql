-- For each question (a fragment, and a position in the log): the last event of the fragment before that position and the first
-- after it. Two descents of fragment_event_pkey each, however many events there are.
SELECT given.number, before.at AS before_at, before.event_id AS before_id, after.at AS after_at, after.event_id AS after_id
FROM unnest(%(fragments)s::uuid[], %(ats)s::bigint[], %(ids)s::bigint[]) WITH ORDINALITY AS given (fragment, at, event_id, number)
LEFT JOIN LATERAL (
    SELECT at, event_id FROM outbox.fragment_event
    WHERE fragment_id = given.fragment AND (at, event_id) < (given.at, given.event_id)
    ORDER BY at DESC, event_id DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT at, event_id FROM outbox.fragment_event
    WHERE fragment_id = given.fragment AND (at, event_id) > (given.at, given.event_id)
    ORDER BY at, event_id LIMIT 1
) AS after ON true
