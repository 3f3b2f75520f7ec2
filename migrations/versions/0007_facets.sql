-- What a facet knows in a fifth of the room: an event told most of its fields, so each stamp is kept once, with their
-- names. The table is written anew, in half a minute for a million; dispatchers wait meanwhile, writers of events do not.
-- The column has a new name, so that a dispatcher of before that still runs sends nothing without what it cannot read any
-- more, a refusal say: it fails, and gives back what it holds.

-- All that this and the next step change, in the order in which dispatchers take it.
LOCK TABLE outbox.lease IN EXCLUSIVE MODE;
LOCK TABLE outbox.receipt, outbox.facet;

CREATE FUNCTION outbox.packed(fields jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT jsonb_agg(stamp || fields ORDER BY fields = '"first"', stamp DESC)
    FROM (
        SELECT stamp, to_jsonb(string_agg(field, ' ' ORDER BY field COLLATE "C"))
        FROM jsonb_each($1) AS told (field, stamp)
        GROUP BY stamp
    ) AS groups (stamp, fields)
$$;

ALTER TABLE outbox.facet RENAME COLUMN newest TO groups;
ALTER TABLE outbox.facet
    ALTER COLUMN groups DROP NOT NULL, -- PostgreSQL 18 names it after the column
    ALTER COLUMN groups TYPE jsonb USING outbox.packed(groups),
    ALTER COLUMN groups SET NOT NULL;

DROP FUNCTION outbox.packed;

COMMENT ON TABLE outbox.facet IS 'The events that carry the same keys; groups: [time, id, fields] of those that told a field last';

-- Of two facets' fields the greater stamps: (occurred_at in microseconds, id). The same in whatever order it is done.
-- A facet is an array of [at, id, "field field …"], each field and each stamp once, the fields sorted; the latest first,
-- but at the end that of 'first', whose numbers are negated. So equal facets are equal as jsonb.
CREATE OR REPLACE FUNCTION outbox.newest(one jsonb, other jsonb) RETURNS jsonb
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
