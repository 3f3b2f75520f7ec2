-- The clock of all windows and leases.
SELECT outbox.clock()
