-- The next :limit events after :after that intake has folded, for a rebuild; not those that it gave up: they are in no
-- fragment, and would do the same to the rebuild. Relies on event_pkey, intake_pkey; there are
-- few leases.
SELECT id, occurred_at, recorded_at, name, event_id, handl_id, lead_id, account_id, sealed, visitor, consent, public
FROM outbox.event
WHERE id > %(after)s AND NOT coalesce(notes, '{}') @> '{event: cannot be processed}'
  AND NOT EXISTS (SELECT FROM outbox.intake WHERE intake.event_id = event.id)
  AND id NOT IN (SELECT unnest(event_ids) FROM outbox.lease WHERE destination IS NULL)
ORDER BY id LIMIT %(limit)s
