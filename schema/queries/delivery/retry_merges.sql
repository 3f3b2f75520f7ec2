-- Makes claimed merges due again at once, after an error that may be the doing of one of them. Relies on merge_pkey.
UPDATE outbox.merge SET due_at = outbox.clock() WHERE event_id = ANY (%(ids)s)
