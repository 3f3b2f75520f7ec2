-- Gives a role up. Relies on leader_pkey.
DELETE FROM outbox.leader WHERE role = %(role)s AND holder = %(holder)s
