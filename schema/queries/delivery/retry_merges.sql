-- Makes claimed merges due again at once, after an error that one of them may have caused. Relies on merge_pkey.
UPDATE outbox.merge SET due_at = outbox.clock() WHERE event_id = ANY (%(ids)s)
