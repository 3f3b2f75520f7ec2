-- How many bytes some objects take together: as they are in memory or, if that is over the limit of 64 kB, as text if they are
-- smaller so. Not as they may lie in a table, compressed.
CREATE FUNCTION outbox.size(VARIADIC objects jsonb[]) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT CASE WHEN bytes <= 65536 THEN bytes
                ELSE least(bytes, (SELECT sum(octet_length(object::text)) FROM unnest(objects) AS object)) END
    FROM (SELECT sum(pg_column_size(object || '{}')) AS bytes FROM unnest(objects) AS object) AS total
);
