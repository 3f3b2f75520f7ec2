CREATE TRIGGER event_recorded AFTER INSERT ON outbox.event
REFERENCING NEW TABLE AS recorded
FOR EACH STATEMENT WHEN (current_setting('outbox.recording', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION outbox.event_recorded();
