-- Whether the database was migrated, so that conversions can be recorded. Needs no right but USAGE on the schema.
SELECT to_regprocedure('outbox.record(jsonb)') IS NOT NULL AS is_recordable
