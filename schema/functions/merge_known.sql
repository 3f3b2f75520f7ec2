-- Merges the newest keys of an account: arrays of [kind, key, at, id], each key once, with the position of the last event that
-- carries it. Of each kind the newest 33 are kept: with that many, there may be more. As these are the newest of what was kept
-- on either side, the order of merging does not matter.
CREATE FUNCTION outbox.merge_known(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(kind, key, at, id) ORDER BY kind, place), '[]')
    FROM (
        SELECT kind, key, at, id,
               row_number() OVER (PARTITION BY kind ORDER BY at DESC, id DESC, key COLLATE "C") AS place
        FROM (
            SELECT DISTINCT ON (kind, key) *
            FROM (
                SELECT (entry ->> 0)::int AS kind, entry ->> 1 AS key, (entry ->> 2)::bigint AS at, (entry ->> 3)::bigint AS id
                FROM jsonb_array_elements(one || other) AS entry
            ) AS entries
            ORDER BY kind, key, at DESC, id DESC
        ) AS greatest
    ) AS placed
    WHERE place <= 33
$$;
