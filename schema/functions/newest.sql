-- Of two facets' fields the greater stamps: (occurred_at in microseconds, id). The same in whatever order it is done.
CREATE FUNCTION outbox.newest(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT jsonb_object_agg(field, stamp)
    FROM (
        SELECT DISTINCT ON (field) field, stamp
        FROM (SELECT * FROM jsonb_each(one) UNION ALL SELECT * FROM jsonb_each(other)) AS told (field, stamp)
        ORDER BY field, stamp DESC
    ) AS greatest
$$;
