-- Whether conversions can be recorded here: whether the database was migrated. Needs no right but USAGE on the schema.
SELECT to_regprocedure('outbox.record(jsonb)') IS NOT NULL
