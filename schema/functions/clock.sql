-- The clock of every window, lease and due time: the database's, so that no two machines can disagree.
-- Tests move it by replacing this function. STABLE and inlined, so that an index can be used with it.
CREATE FUNCTION outbox.clock() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT now() $$;
