-- Takes a role, or extends its term; no row if another process holds it. Relies on leader_pkey.
INSERT INTO outbox.leader (role, holder, expires_at)
VALUES (%(role)s, %(holder)s, outbox.clock() + %(term)s)
ON CONFLICT (role) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE leader.holder = excluded.holder OR leader.expires_at < outbox.clock()
RETURNING holder
