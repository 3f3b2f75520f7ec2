-- For each question (a key, and the place of an event in the log): the account that last signed in on the key before
-- it, and the one that first did after. Two steps into sign_in_pkey each, however many sign-ins there are.
SELECT asked.number, before.at, before.event_id, before.account_id, after.at, after.event_id, after.account_id
FROM unnest(%(kinds)s::smallint[], %(keys)s::text[], %(ats)s::bigint[], %(ids)s::bigint[])
    WITH ORDINALITY AS asked (kind, key, at, event_id, number)
LEFT JOIN LATERAL (
    SELECT at, event_id, account_id FROM outbox.sign_in
    WHERE kind = asked.kind AND key = asked.key AND (at, event_id) < (asked.at, asked.event_id)
    ORDER BY at DESC, event_id DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT at, event_id, account_id FROM outbox.sign_in
    WHERE kind = asked.kind AND key = asked.key AND (at, event_id) > (asked.at, asked.event_id)
    ORDER BY at, event_id LIMIT 1
) AS after ON true
