"""The demo on one machine: a small CRM site, the database, the sandbox of the destinations, and the dispatcher.

    async with running(Path(".outbox/demo")) as demo:      # demo.site, demo.sandbox.url, …

| file | holds |
|---|---|
| `crm` | the CRM's own tables: leads, accounts, orders |
| `leads`, `accounts` | the site's handlers: each writes its row and its conversion in one transaction |
| `browser` | the work of a real page's scripts in the browser: cookies, and forwarding from a landing page |
| `forms`, `pages`, `panel` | reading a form, rendering a page, and the list of recorded conversions on each page |
| `site`, `stack` | the site as a server; all parts together, from start to stop |
| `once` | `outbox demo --once`: a visit (`story`), what arrived (`proof`), what leaked (`search`) |
"""

from __future__ import annotations

from dispatcher.demo.once import once
from dispatcher.demo.stack import Demo, DemoError, running, serve

__all__ = ["Demo", "DemoError", "once", "running", "serve"]
