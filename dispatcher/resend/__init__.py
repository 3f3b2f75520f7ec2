"""Re-sends after a merge: the planner, which dispatchers run after each merge, and the backfill on demand."""
