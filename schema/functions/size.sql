-- How many bytes some objects take together; as they are, not as they may lie in a table, compressed.
CREATE FUNCTION outbox.size(VARIADIC objects jsonb[]) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT sum(pg_column_size(object || '{}')) FROM unnest(objects) AS object);
