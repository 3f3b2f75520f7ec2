-- Replaces the groups and the clicks (an array of [grade, digest, at, id]) of a fragment without an account.
-- Only under exclude_dispatchers. Relies on fragment_pkey, click_pkey.
WITH replaced AS (
    UPDATE outbox.fragment SET groups = %(groups)s WHERE id = %(fragment)s
), given AS MATERIALIZED (
    SELECT (entry ->> 0)::smallint AS grade, (entry ->> 1)::bigint AS digest, (entry ->> 2)::bigint AS at,
           (entry ->> 3)::bigint AS event_id
    FROM jsonb_array_elements(%(clicks)s) AS entry
), gone AS (
    DELETE FROM outbox.click
    WHERE fragment_id = %(fragment)s
      AND NOT EXISTS (SELECT FROM given WHERE given.grade = click.grade AND given.digest = click.digest)
)
INSERT INTO outbox.click (fragment_id, grade, digest, at, event_id)
SELECT %(fragment)s, grade, digest, at, event_id FROM given
ON CONFLICT (fragment_id, grade, digest) DO UPDATE SET at = excluded.at, event_id = excluded.event_id
