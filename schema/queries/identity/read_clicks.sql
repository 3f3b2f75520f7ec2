-- The clicks of some fragments, each with the first event that carries it. Relies on click_pkey.
SELECT fragment_id, grade, digest, at, event_id FROM outbox.click WHERE fragment_id = ANY (%(fragments)s::uuid[])
