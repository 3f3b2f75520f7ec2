"""The console: whether conversions arrive, what became of each, and how well they match; in a browser, without secrets.

    console.add_to(app, database_url, settings, config)

Mounted by `outbox serve` and on the daemon's own port. Pages are made on the server and read without JavaScript.

| module | holds |
|---|---|
| `app` | the routes, and what stands around every page: access, errors, headers |
| `access`, `wrong_tokens` | who may look, who may act |
| `visit` | one request: its viewer, its form, its questions to the database |
| `rendering`, `wording` | templates, static files; how times and numbers are said |
| `status`, `verdict`, `chart` | how each destination is; the one sentence on top; the picture of the last hour |
| `overview`, `events`, `event`, `people`, `dead`, `match_quality`, `switching`, `sign_in` | a page each |
"""

from __future__ import annotations

from dispatcher.console.app import add_to

__all__ = ["add_to"]
