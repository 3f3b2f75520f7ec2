-- Merges the groups of two fragments: of each field the greater log position (occurred_at in microseconds, id), in whatever
-- order it is done. The groups of a fragment are an array of [at, id, "field field …"], each field and each position once, the fields sorted; the latest first,
-- but at the end that of 'first', whose numbers are negated. So equal fragments are equal as jsonb.
CREATE FUNCTION outbox.merge_fragments(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT jsonb_agg(jsonb_build_array(at, id, fields) ORDER BY fields = 'first', at DESC, id DESC)
    FROM (
        SELECT at, id, string_agg(field, ' ' ORDER BY field COLLATE "C") AS fields
        FROM (
            SELECT DISTINCT ON (field) field, (told ->> 0)::bigint AS at, (told ->> 1)::bigint AS id
            FROM jsonb_array_elements(one || other) AS told, string_to_table(told ->> 2, ' ') AS field
            ORDER BY field, at DESC, id DESC
        ) AS greatest
        GROUP BY at, id
    ) AS groups
$$;
