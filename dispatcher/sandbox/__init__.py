"""A local stand-in for Meta's Conversions API and GA4's Measurement Protocol: what a team points staging at.

It validates, answers and deduplicates by the destinations' documented rules, written down here a second time on purpose
and independently of the code that builds payloads: what one gets wrong, the other notices. It shows on a page what
arrived, and can fail on demand in every way that a destination or a network can.

    META_CAPI_BASE_URL=http://127.0.0.1:8090  GA4_MP_BASE_URL=http://127.0.0.1:8090   and any token

    async with running(clock=lambda: now) as sandbox:      # in a test
        ...                                                # send to sandbox.url
        assert [a.event_name for a in sandbox.ledger.arrivals] == ["Lead"]

| file | holds |
|---|---|
| `meta`, `meta_errors`, `meta_endpoint` | Meta's rules, its error answers, its paths |
| `ga4`, `ga4_person`, `ga4_endpoint` | GA4's rules (events; the envelope), its paths |
| `exchange`, `wire`, `faults` | one request from arrival to fate; the transport; faults on demand |
| `ledger`, `ledger_api` | what arrived and how it is reckoned; the same over HTTP |
| `page`, `cards`, `quality` | the page; what it shows of one arrival; how well an event identifies a person |
| `app`, `state`, `problem` | the server; what one sandbox is made of; one thing the rules have against an event |
"""

from __future__ import annotations

from dispatcher.sandbox.app import create_app, running, serve
from dispatcher.sandbox.ledger import Arrival, Ledger
from dispatcher.sandbox.state import Sandbox

__all__ = ["Arrival", "Ledger", "Sandbox", "create_app", "running", "serve"]
