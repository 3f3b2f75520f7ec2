-- One event as its page shows it: times, keys, notes, and of the details what is no text of anybody's: the amount.
-- Relies on event_pkey.
SELECT id, occurred_at, recorded_at, name, event_id, handl_id, lead_id, account_id,
       details ->> 'value', details ->> 'currency', notes
FROM outbox.event WHERE id = %(id)s
