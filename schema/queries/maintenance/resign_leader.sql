-- Gives an office back. Relies on election_pkey.
DELETE FROM outbox.election WHERE office = %(office)s AND holder = %(holder)s
