-- Removes some events (:ids) from the identity graph. Parallel arrays: :accounts, :handls, :leads of the fragments that hold
-- any of them; :kinds, :values, :ats, :sign_in_ids of the sign-ins that they were. Returns the fragments that remain because
-- they hold events of others too. Only under exclude_dispatchers.
-- Relies on fragment_pkey, fragment_event_pkey, sign_in_pkey.
WITH given AS MATERIALIZED (
    SELECT fragment.id, account_id, handl_id, lead_id, groups
    FROM unnest(%(accounts)s::text[], %(handls)s::text[], %(leads)s::text[]) AS given (account_id, handl_id, lead_id)
    JOIN outbox.fragment USING (account_id, handl_id, lead_id)
), events AS (
    DELETE FROM outbox.fragment_event USING given
    WHERE fragment_id = given.id AND event_id = ANY (%(ids)s::bigint[])
), sign_ins AS (
    DELETE FROM outbox.sign_in
    USING unnest(%(kinds)s::smallint[], %(values)s::text[], %(ats)s::bigint[], %(sign_in_ids)s::bigint[])
        AS gone (kind, key, at, event_id)
    WHERE sign_in.kind = gone.kind AND sign_in.key = gone.key AND sign_in.at = gone.at
      AND sign_in.event_id = gone.event_id
), emptied AS (
    -- Fragments with an account hold no events of others. That of the account alone has no rows in fragment_event.
    DELETE FROM outbox.fragment USING given
    WHERE fragment.account_id = given.account_id AND fragment.handl_id = given.handl_id AND fragment.lead_id = given.lead_id
      AND (given.account_id <> ''
           OR NOT EXISTS (SELECT FROM outbox.fragment_event
                          WHERE fragment_id = given.id AND event_id <> ALL (%(ids)s::bigint[])))
    RETURNING fragment.id
)
SELECT id, account_id, handl_id, lead_id, groups FROM given WHERE id NOT IN (SELECT id FROM emptied)
