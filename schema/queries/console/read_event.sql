-- One event for its page: times, keys, notes, and of the details only the amount, which is never free text.
-- Relies on event_pkey.
SELECT id, occurred_at, recorded_at, name, event_id, handl_id, lead_id, account_id,
       details ->> 'value' AS value, details ->> 'currency' AS currency, notes
FROM outbox.event WHERE id = %(id)s
