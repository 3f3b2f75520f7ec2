-- Excludes every claim, settlement, retry, requeue and re-send until the end of this transaction, and waits for those
-- under way. They all lock outbox.lease as writers of it do, most because they write it, the others by a first line
-- `SELECT FROM outbox.lease WHERE false FOR UPDATE`. PostgreSQL takes that lock when it parses the statement, before
-- its snapshot: so whoever waited sees all that was done meanwhile. A CRM's writers never touch this table, and looking
-- at it (a dump, health) is not excluded.
LOCK TABLE outbox.lease IN EXCLUSIVE MODE
