-- Whether a key stands in more than 32 combinations with other keys, so that it connects nobody. As
-- dispatcher.identity.graph.exceeds_limit. Relies on fragment_key_pkey, fragment_pkey.
CREATE FUNCTION outbox.is_over_limit(of_kind smallint, of_key text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT count(*) > 32
    FROM (
        SELECT FROM outbox.fragment_key JOIN outbox.fragment ON fragment.id = fragment_id
        WHERE kind = of_kind AND key = of_key AND NOT fragment_key.is_public
          AND (account_id <> ''
               OR (handl_id <> '')::int + (lead_id <> '')::int + cardinality(string_to_array(emails, ' '))
                  + cardinality(string_to_array(phones, ' ')) > 1)
        LIMIT 33
    ) AS combinations
$$;
