"""A local stand-in for all destinations, for development, tests and staging.

It validates, answers and deduplicates by the destinations' documented rules. These are deliberately written a second
time, independently of the code that builds payloads, so that an error in one is caught by the other. A page shows what
arrived, and the sandbox can fail on demand in every way that a destination or a network can.

    outbox sandbox          its page says how to point a dispatcher to it

    async with running(clock=lambda: now) as sandbox:      # in a test
        ...                                                # send to sandbox.url
        assert [a.event_name for a in sandbox.ledger.arrivals] == ["Lead"]

| file | holds |
|---|---|
| `stand_in` | what one kind of destination is here; each has a folder with its `stand_in`, its rules and its endpoint |
| `exchange`, `wire`, `faults` | one request from arrival to response; the transport; faults on demand |
| `ledger`, `ledger_api` | what arrived and how it counts; the same over HTTP |
| `page`, `cards`, `fields` | the page; one arrival on it; the fields of one arrival |
| `app`, `state`, `problem` | the server; the parts of one sandbox; one violation of a documented rule |
"""

from __future__ import annotations

from dispatcher.sandbox.app import create_app, running, serve
from dispatcher.sandbox.ledger import Arrival, Ledger
from dispatcher.sandbox.state import Accepted, Sandbox

__all__ = ["Accepted", "Arrival", "Ledger", "Sandbox", "create_app", "running", "serve"]
