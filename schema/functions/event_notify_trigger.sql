CREATE TRIGGER event_notify AFTER INSERT ON outbox.event
FOR EACH STATEMENT EXECUTE FUNCTION outbox.event_notify();
ALTER TABLE outbox.event DISABLE TRIGGER event_notify;
