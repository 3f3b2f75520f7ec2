"""Maintenance of the log: retention, and rebuilding the queue and the identity graph from it."""
