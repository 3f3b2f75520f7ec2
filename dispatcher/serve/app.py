"""The server of `outbox serve`: its routes, and its life from start to stop.

async with running(settings, database_url, config, host="127.0.0.1", port=8080) as address: ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources

from aiohttp import web

from dispatcher import console
from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.console.app import IS_LIVE
from dispatcher.http_server import Runner
from dispatcher.monitoring.metrics_endpoint import MetricsEndpoint, metered
from dispatcher.request_headers import bounded_headers
from dispatcher.serve.access_log import access
from dispatcher.serve.deduplication import Deduplicator
from dispatcher.serve.errors import answer
from dispatcher.serve.forms import Forms
from dispatcher.serve.recorder import Recorder
from dispatcher.serve.stripe import Webhook

MAX_HEADER = 32 * 1024  # bytes; a browser's cookies alone can exceed aiohttp's default of 8 kB
SHUTDOWN_SECONDS = 10.0
LINGERING_SECONDS = 2.0  # how long the rest of a refused body is read and discarded
KEEP_ALIVE_SECONDS = 75.0  # longer than a reverse proxy keeps an idle connection to us

SNIPPET = resources.files("outbox").joinpath("browser/outbox.js").read_text(encoding="utf-8")


def create_app(settings: Settings, config: Config, recorder: Recorder, secret: str) -> web.Application:
    """Return the application. `secret` keys the event ids of submissions without one."""
    app = web.Application(middlewares=[metered, access, bounded_headers])
    region = settings.phone_region or None
    webhook = Webhook(config, settings.stripe_secret, recorder, region)
    forms = Forms(config.forms, config.serve, recorder, Deduplicator(secret), settings.visitor_arguments())

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        if IS_LIVE not in request:  # pages that may post a form may not read the console
            forms.origins.mark(request, response)

    app.on_response_prepare.append(mark)
    app.add_routes(
        [
            web.post("/forms/{form}", forms.submit),
            web.options("/forms/{form}", forms.preflight),
            web.post("/stripe/webhook", webhook.take),
            web.get("/outbox.js", _snippet),
            web.get("/healthz", _healthz),
            web.get("/readyz", _readyz(recorder)),
            web.get("/metrics", MetricsEndpoint().answer),
        ]
    )
    return app


@asynccontextmanager
async def running(
    settings: Settings, database_url: str, config: Config, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve while the block runs, and yield the address (port 0: any free port). On exit, finish open requests."""
    async with Recorder.connect(database_url, settings.phone_region or None) as recorder:
        app = create_app(settings, config, recorder, database_url)
        console.add_to(app, database_url, settings, config)
        runner = Runner(
            app,
            shutdown_timeout=SHUTDOWN_SECONDS,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            lingering_time=LINGERING_SECONDS,
            auto_decompress=False,  # compressed bodies are refused, because a small one can expand to a huge one
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            yield _address(host, runner.addresses[0][1])
        finally:
            await runner.cleanup()


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _snippet(_: web.Request) -> web.Response:
    return web.Response(text=SNIPPET, content_type="text/javascript", headers={"Cache-Control": "public, max-age=3600"})


async def _healthz(_: web.Request) -> web.Response:
    return answer(200, {"healthy": True})


def _readyz(recorder: Recorder) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def readyz(_: web.Request) -> web.Response:
        problem = await recorder.problem()
        return answer(503 if problem else 200, {"ready": not problem, "reasons": [problem] if problem else []})

    return readyz
