-- Returns the time of the clock that windows and leases use.
SELECT outbox.clock() AS now
