"""Intake: seal an event, fold it into the identity graph, and fan it out to the destinations."""
