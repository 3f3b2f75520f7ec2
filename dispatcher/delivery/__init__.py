"""Delivery: claim, build, send, settle; and what slows a destination down or stops it."""
