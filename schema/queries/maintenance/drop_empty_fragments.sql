-- Facets of which the log holds no event any more, after rebuild. Only under exclude_dispatchers.
DELETE FROM outbox.fragment WHERE groups -> 0 ->> 2 = 'first'
