-- Replaces what a facet knows; only under exclude_dispatchers.
-- Relies on facet_pkey.
UPDATE outbox.facet SET groups = %(groups)s
WHERE account_id = '' AND handl_id = %(handl_id)s AND lead_id = %(lead_id)s
