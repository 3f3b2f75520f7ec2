-- Which of some events identity rests on: a fragment refers to them as the last events with a field, or as the first that carries
-- a click. Parallel arrays: an event and one of its fragments. Relies on fragment_pkey, click_pkey.
SELECT DISTINCT given.event_id
FROM unnest(%(ids)s::bigint[], %(fragments)s::uuid[]) AS given (event_id, fragment_id)
WHERE EXISTS (SELECT FROM outbox.fragment, jsonb_array_elements(groups) AS field_group
              WHERE fragment.id = given.fragment_id AND (field_group ->> 1)::bigint = given.event_id)
   OR EXISTS (SELECT FROM outbox.click WHERE click.fragment_id = given.fragment_id AND click.event_id = given.event_id)
