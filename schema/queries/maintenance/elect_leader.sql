-- Takes an office, or holds it for longer; no row: another holds it. Relies on election_pkey.
INSERT INTO outbox.election (office, holder, expires_at)
VALUES (%(office)s, %(holder)s, outbox.clock() + %(term)s)
ON CONFLICT (office) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE election.holder = excluded.holder OR election.expires_at < outbox.clock()
RETURNING holder
