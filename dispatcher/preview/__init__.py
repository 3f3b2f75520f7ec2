"""Preview: what would be sent of an event now, and where each field comes from."""
