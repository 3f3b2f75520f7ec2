"""The HTTP side of the metrics: `/metrics`, and the count of HTTP requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter

from aiohttp import hdrs, web
from prometheus_client import Counter, Histogram, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from dispatcher.monitoring.gauges import Gauges
from dispatcher.telemetry.aggregation import OWN, Sample, Sum, samples_of
from dispatcher.telemetry.prometheus import REGISTRY

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ANSWERED = Counter(
    "outbox_http_requests", "HTTP requests, by route and status", ["route", "status"], registry=REGISTRY
)
_SECONDS = Histogram(
    "outbox_http_seconds",
    "Time from a request to its response, by route",
    ["route"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
NO_ROUTE = "none"


class MetricsEndpoint:
    """`answer` handles `/metrics`: the metrics of this process, of `others` and, with `gauges`, those of the database."""

    def __init__(self, gauges: Gauges | None = None, others: Callable[[], list[list[Sample]]] = list) -> None:
        self._gauges = gauges
        self._others = others

    async def answer(self, request: web.Request) -> web.Response:
        """Return the metrics in the format that the scraper prefers."""
        if self._gauges:
            await self._gauges.refresh()
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=encode(_All(self._gauges, self._others())), headers={hdrs.CONTENT_TYPE: content_type})


class _All(Collector):
    """Several collections as one, since a format may have an end mark."""

    def __init__(self, gauges: Gauges | None, others: list[list[Sample]]) -> None:
        self._gauges = gauges
        self._others = others

    def collect(self) -> Iterable[Metric]:
        own = samples_of(REGISTRY)
        yield from (metric for metric in REGISTRY.collect() if metric.name in OWN)
        yield from Sum([own, *self._others]).collect()
        if self._gauges:
            yield from self._gauges.collect()


@web.middleware
async def metered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count a request by its registered route, never by the requested address."""
    began = perf_counter()
    response = await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource else NO_ROUTE
    _ANSWERED.labels(route, str(response.status)).inc()
    _SECONDS.labels(route).observe(perf_counter() - began)
    return response
