"""Retention, rebuild, and what else keeps the log in order."""
