-- Renews a lease during a long send; returns no row if it is gone. Relies on lease_pkey.
UPDATE outbox.lease SET expires_at = outbox.clock() + %(lease)s
WHERE id = %(id)s AND holder = %(holder)s
RETURNING id
