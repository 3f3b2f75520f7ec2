"""The console: web pages that show whether conversions arrive, what happened to each, and how well they match.

    console.add_to(app, database_url, settings, config)

Mounted by `outbox serve` and on the daemon's own port. Pages are rendered on the server, work without JavaScript, and
never show a secret.

| module | contains |
|---|---|
| `app` | the routes, and what every page needs: access, error pages, headers |
| `access`, `login_throttle`, `sign_in` | who may view, who may act; slowing down wrong tokens; the sign-in page |
| `request` | one request: its viewer, its form, its database queries |
| `rendering`, `formatting` | templates and static files; how times and numbers are written |
| `status`, `health_summary`, `chart` | the state of each destination; the verdicts at the top; the chart of the last hour |
| `overview`, `events`, `event`, `people`, `dead_letters`, `match_quality`, `destinations` | one page each |
"""

from __future__ import annotations

from dispatcher.console.app import add_to

__all__ = ["add_to"]
