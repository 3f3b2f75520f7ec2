-- The clock of every window, lease and due time: the database's own, so that machines cannot disagree. Tests move it by
-- replacing this function. It is STABLE and inlined, so that conditions on it can use an index.
CREATE FUNCTION outbox.clock() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT now() $$;
