"""Delivering: claim, build, send, settle; and what holds a destination back."""
