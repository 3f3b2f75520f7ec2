-- Removes the fragments that hold no event of the log, at the end of a rebuild. Only under exclude_dispatchers.
DELETE FROM outbox.fragment WHERE groups -> 0 ->> 2 = 'first'
