-- Replaces the groups of a fragment without an account. Only under exclude_dispatchers. Relies on fragment_pkey.
UPDATE outbox.fragment SET groups = %(groups)s
WHERE account_id = '' AND handl_id = %(handl_id)s AND lead_id = %(lead_id)s
