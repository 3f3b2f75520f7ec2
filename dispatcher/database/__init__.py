"""The database as Python sees it: connections, queries, the declared schema, migrations, the embedded server."""
