-- Wakes the dispatchers at the commit, for those who need milliseconds. Its trigger is created disabled: a NOTIFY halves
-- to thirds what concurrent writers can commit (measured.md); polling always works by itself.
--     ALTER TABLE outbox.event ENABLE TRIGGER event_notify;
CREATE FUNCTION outbox.event_notify() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NOTIFY outbox;
    RETURN NULL;
END
$$;
