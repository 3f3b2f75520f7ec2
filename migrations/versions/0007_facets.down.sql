-- What a facet knows field by field, as it was.

CREATE FUNCTION outbox.unpacked(groups jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT jsonb_object_agg(field, told - 2)
    FROM jsonb_array_elements($1) AS told, string_to_table(told ->> 2, ' ') AS field
$$;

LOCK TABLE outbox.lease IN EXCLUSIVE MODE;
ALTER TABLE outbox.facet RENAME COLUMN groups TO newest;
ALTER TABLE outbox.facet
    ALTER COLUMN newest DROP NOT NULL,
    ALTER COLUMN newest TYPE jsonb USING outbox.unpacked(newest),
    ALTER COLUMN newest SET NOT NULL;

DROP FUNCTION outbox.unpacked;

COMMENT ON TABLE outbox.facet IS 'The events that carry the same keys; newest: by field, the (time, id) of the one that told it last';

-- Of two facets' fields the greater stamps: (occurred_at in microseconds, id). The same in whatever order it is done.
CREATE OR REPLACE FUNCTION outbox.newest(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT jsonb_object_agg(field, stamp)
    FROM (
        SELECT DISTINCT ON (field) field, stamp
        FROM (SELECT * FROM jsonb_each(one) UNION ALL SELECT * FROM jsonb_each(other)) AS told (field, stamp)
        ORDER BY field, stamp DESC
    ) AS greatest
$$;
