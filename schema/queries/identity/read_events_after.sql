-- The next :limit events after :after, for a scan in bounded memory. Relies on event_pkey.
SELECT id, occurred_at, recorded_at, name, event_id, handl_id, lead_id, account_id,
       sealed, visitor, campaign, details, consent, public
FROM outbox.event
WHERE id > %(after)s
ORDER BY id LIMIT %(limit)s
