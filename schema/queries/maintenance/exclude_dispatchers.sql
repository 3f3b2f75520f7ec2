-- Excludes every claim, settlement, retry, requeue and re-send until the end of this transaction, and waits for those in
-- progress. All of them lock outbox.lease as a writer does: most because they write it, the others by a first line
-- `SELECT FROM outbox.lease WHERE false FOR UPDATE`. PostgreSQL takes that lock when it parses the statement, before its
-- snapshot, so a statement that waited sees everything that was done meanwhile. A CRM's writers never touch this table, and
-- reading it (a dump, health checks) is not excluded.
LOCK TABLE outbox.lease IN EXCLUSIVE MODE
