-- For each question (a key, and the position of an event in the log): the last sign-in on the key before that position and
-- the first after it, with their accounts. Two descents of sign_in_pkey each, however many sign-ins there are.
SELECT given.number, before.at AS before_at, before.event_id AS before_id, before.account_id AS before_account,
       after.at AS after_at, after.event_id AS after_id, after.account_id AS after_account
FROM unnest(%(kinds)s::smallint[], %(keys)s::text[], %(ats)s::bigint[], %(ids)s::bigint[])
    WITH ORDINALITY AS given (kind, key, at, event_id, number)
LEFT JOIN LATERAL (
    SELECT at, event_id, account_id FROM outbox.sign_in
    WHERE kind = given.kind AND key = given.key AND (at, event_id) < (given.at, given.event_id)
    ORDER BY at DESC, event_id DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT at, event_id, account_id FROM outbox.sign_in
    WHERE kind = given.kind AND key = given.key AND (at, event_id) > (given.at, given.event_id)
    ORDER BY at, event_id LIMIT 1
) AS after ON true
