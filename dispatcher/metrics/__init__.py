"""Metrics for Prometheus, with the words of everything else: owed, delivered, dead, attempt, circuit.

    metrics.requested("meta", 1000, "delivered", 0.31)                     # one request to a destination ended
    metrics.settled("meta", {("delivered", ""): 998, ("dead", "missing value"): 2}, 0.02)
    metrics.waited("meta", [0.4, 0.5])                                     # seconds from recorded to delivered
    metrics.took_in(1000, 0.12)                                            # intake took in a batch
    web.get("/metrics", metrics.Exposition(gauges).answer)              # `gauges` may be None

| file | holds |
|---|---|
| `counts` | what this process counts as it works; in one registry, and cheap: called a request or a settlement, never an event |
| `gauges` | what the database knows, asked at a scrape, with a few cheap statements, and cached for some seconds |
| `exposition` | the HTTP side: `/metrics`, and the count of requests that `outbox serve` answers |

A sum over dispatchers is right for what is counted (`sum by (destination)`); what the database knows every dispatcher
tells alike (`max by (destination)`). Alert rules and a dashboard: docs/operations/monitoring.
"""

from __future__ import annotations

from dispatcher.metrics.counts import REGISTRY, requested, settled, took_in, waited
from dispatcher.metrics.exposition import Exposition, metered
from dispatcher.metrics.gauges import Gauges

__all__ = ["REGISTRY", "Exposition", "Gauges", "metered", "requested", "settled", "took_in", "waited"]
