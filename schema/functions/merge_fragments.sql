-- Merges the groups of two fragments: keeps the greater log position (occurred_at in microseconds, id) of each field, so that
-- the order of merging does not matter. Groups are an array of [at, id, "field field …"], with each field and each position
-- once and the fields sorted. The latest come first; 'first', whose numbers are negated, comes last. So equal fragments are
-- equal as jsonb.
CREATE FUNCTION outbox.merge_fragments(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(at, id, fields) ORDER BY fields = 'first', at DESC, id DESC), '[]')
    FROM (
        SELECT at, id, string_agg(field, ' ' ORDER BY field COLLATE "C") AS fields
        FROM (
            SELECT DISTINCT ON (field) field, (entry ->> 0)::bigint AS at, (entry ->> 1)::bigint AS id
            FROM jsonb_array_elements(one || other) AS entry, string_to_table(entry ->> 2, ' ') AS field
            ORDER BY field, at DESC, id DESC
        ) AS greatest
        GROUP BY at, id
    ) AS groups
$$;
