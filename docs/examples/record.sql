-- A lead and its conversion in one transaction.
-- Usage: psql -v form="$(cat form.json)" -f record.sql, with the connection in PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD
\set ON_ERROR_STOP on
BEGIN;

INSERT INTO lead (email) VALUES (:'form'::jsonb ->> 'email') RETURNING id AS lead_id \gset

SELECT outbox.record(jsonb_build_object(
    'name', 'lead_submitted',
    'event_id', form -> 'fb_event_id',
    'lead_id', :lead_id,
    'person', jsonb_build_object('email', form -> 'email', 'phone', form -> 'phone'),
    'visitor', jsonb_build_object('fbp', form -> 'fbp', 'fbc', form -> 'fbc'),
    'campaign', jsonb_build_object('source', form -> 'utm_source'),
    'details', jsonb_build_object('form', 'lead-form-ds25')
))
FROM (VALUES (:'form'::jsonb)) AS sent (form);

COMMIT;
