-- Removes some fragments, given by their keys as parallel arrays, if they were not seen again since :before (microseconds);
-- and the sign-ins of their accounts on keys that no other fragment of the account carries. Returns the number of fragments.
-- Only under exclude_dispatchers. Relies on fragment_pkey, fragment_event_pkey, sign_in_pkey.
WITH gone AS (
    DELETE FROM outbox.fragment
    USING unnest(%(accounts)s::text[], %(handls)s::text[], %(leads)s::text[]) AS given (account_id, handl_id, lead_id)
    WHERE fragment.account_id = given.account_id AND fragment.handl_id = given.handl_id AND fragment.lead_id = given.lead_id
      AND (groups -> 0 ->> 0)::bigint < %(before)s
    RETURNING fragment.id, fragment.account_id, fragment.handl_id, fragment.lead_id
), events AS (
    DELETE FROM outbox.fragment_event USING gone WHERE fragment_id = gone.id
), used AS MATERIALIZED (
    SELECT DISTINCT account_id, kind, key
    FROM gone, LATERAL (VALUES (2::smallint, handl_id), (3::smallint, lead_id)) AS used (kind, key)
    WHERE account_id <> '' AND key <> ''
), sign_ins AS (
    DELETE FROM outbox.sign_in USING used
    WHERE sign_in.kind = used.kind AND sign_in.key = used.key AND sign_in.account_id = used.account_id
      AND NOT EXISTS (
          SELECT FROM outbox.fragment
          WHERE fragment.account_id = used.account_id
            AND used.key = CASE used.kind WHEN 2 THEN fragment.handl_id ELSE fragment.lead_id END
            AND fragment.id NOT IN (SELECT id FROM gone))
)
SELECT count(*) FROM gone
