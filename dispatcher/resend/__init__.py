"""Re-sends after a merge: by the daemon, and on demand."""
