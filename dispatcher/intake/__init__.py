"""Intake: seals an event, folds it into identity, and fans it out to the destinations."""
