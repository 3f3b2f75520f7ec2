-- Takes some events out of what is known of persons: given are the fragments that hold any (accounts, handls, leads: as
-- arrays side by side), the events, and the sign-ins that they were (kinds, values, ats, sign_in_ids: likewise). Returns the
-- fragments that are left, as others' events are in them too. Only under exclude_dispatchers.
-- Relies on fragment_pkey, fragment_event_pkey, sign_in_pkey.
WITH asked AS MATERIALIZED (
    SELECT fragment.id, account_id, handl_id, lead_id, groups
    FROM unnest(%(accounts)s::text[], %(handls)s::text[], %(leads)s::text[]) AS asked (account_id, handl_id, lead_id)
    JOIN outbox.fragment USING (account_id, handl_id, lead_id)
), events AS (
    DELETE FROM outbox.fragment_event USING asked
    WHERE fragment_id = asked.id AND event_id = ANY (%(ids)s::bigint[])
), sign_ins AS (
    DELETE FROM outbox.sign_in
    USING unnest(%(kinds)s::smallint[], %(values)s::text[], %(ats)s::bigint[], %(sign_in_ids)s::bigint[])
        AS gone (kind, key, at, event_id)
    WHERE sign_in.kind = gone.kind AND sign_in.key = gone.key AND sign_in.at = gone.at
      AND sign_in.event_id = gone.event_id
), emptied AS (
    -- An account's fragments are all its own; one of the account alone has no events of its own.
    DELETE FROM outbox.fragment USING asked
    WHERE fragment.account_id = asked.account_id AND fragment.handl_id = asked.handl_id AND fragment.lead_id = asked.lead_id
      AND (asked.account_id <> ''
           OR NOT EXISTS (SELECT FROM outbox.fragment_event
                          WHERE fragment_id = asked.id AND event_id <> ALL (%(ids)s::bigint[])))
    RETURNING fragment.id
)
SELECT id, account_id, handl_id, lead_id, groups FROM asked WHERE id NOT IN (SELECT id FROM emptied)
