-- Wakes the dispatchers at commit, for latencies of milliseconds. Its trigger is created disabled: NOTIFY reduces what
-- concurrent writers can commit to a half or a third, and polling works without it.
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
