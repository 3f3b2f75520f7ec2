"""A local stand-in for Meta's Conversions API and GA4's Measurement Protocol, for development, tests and staging.

It validates, answers and deduplicates by the destinations' documented rules. These are deliberately written a second
time, independently of the code that builds payloads, so that an error in one is caught by the other. A page shows what
arrived, and the sandbox can fail on demand in every way that a destination or a network can.

    META_CAPI_BASE_URL=http://127.0.0.1:8090  GA4_MP_BASE_URL=http://127.0.0.1:8090   and any token

    async with running(clock=lambda: now) as sandbox:      # in a test
        ...                                                # send to sandbox.url
        assert [a.event_name for a in sandbox.ledger.arrivals] == ["Lead"]

| file | holds |
|---|---|
| `meta/rules`, `meta/errors`, `meta/endpoint` | Meta's rules, its error responses, its paths |
| `ga4/rules`, `ga4/person_rules`, `ga4/endpoint` | GA4's rules (events; the envelope), its paths |
| `exchange`, `wire`, `faults` | one request from arrival to response; the transport; faults on demand |
| `ledger`, `ledger_api` | what arrived and how it counts; the same over HTTP |
| `page`, `cards`, `meta/dataset_quality` | the page; one arrival on it; how well an event identifies a person |
| `app`, `state`, `problem` | the server; the parts of one sandbox; one violation of a documented rule |
"""

from __future__ import annotations

from dispatcher.sandbox.app import create_app, running, serve
from dispatcher.sandbox.ledger import Arrival, Ledger
from dispatcher.sandbox.state import Sandbox

__all__ = ["Arrival", "Ledger", "Sandbox", "create_app", "running", "serve"]
