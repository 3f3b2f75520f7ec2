"""The database side: tables, functions and triggers, queries (a file each), settings, and the embedded PostgreSQL."""
