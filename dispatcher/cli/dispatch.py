"""`outbox dispatch`: the daemon."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import Annotated

import structlog
import typer

from dispatcher import admin_http, supervisor
from dispatcher.cli import context
from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.worker import WORK_REMAINS

log = structlog.get_logger()

CONNECTIONS = 4096
"""Files that a process may have open, where the system lets it."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(dispatch)


def dispatch(
    *,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes that deliver side by side.")] = 1,
    drain: Annotated[
        bool, typer.Option("--drain", help="Deliver what is due, then exit: 0, or 3 if work remains.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address for the console, /healthz, /readyz and /metrics.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(help="Port for the console, /healthz, /readyz and /metrics. Without it they are not served."),
    ] = None,
) -> None:
    """Deliver conversions until stopped (SIGTERM or Ctrl-C; a second one exits at once)."""
    config = context.config()
    with context.migrated_database(wait=not drain) as (settings, url):
        context.keep_in_step(url, config, wait=not drain)
        _allow_connections()
        left = asyncio.run(_dispatch(settings, url, config, workers=workers, drain=drain, host=host, port=port))
    if left:
        typer.echo(f"{left} {'delivery waits' if left == 1 else 'deliveries wait'} for a retry", err=True)
        raise typer.Exit(WORK_REMAINS)


def _allow_connections() -> None:
    """Raise the limit of open files as far as allowed; a shell's usual limit is 1024."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on every platform

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
        if soft < limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


async def _dispatch(
    settings: Settings, url: str, config: Config, *, workers: int, drain: bool, host: str, port: int | None
) -> int:
    """Run the supervisor; return how much a drain left for a later try."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            supervisor.running(
                settings,
                url,
                config,
                count=1 if drain else workers,
                arguments=["--drain"] if drain else [],
                is_drain=drain,
            )
        )
        if port is not None:
            with context.explaining(host, port):
                address = await stack.enter_async_context(admin_http.listening(running, host, port))
            log.info("console, health and metrics are served", address=address)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            log.info("stopping: settling what is in flight, releasing the rest")
            running.stop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)  # a second signal ends at once

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        code = await running.run()
        return running.left or int(code == WORK_REMAINS)
