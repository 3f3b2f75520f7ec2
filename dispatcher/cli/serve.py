"""`outbox serve`: accepts forms and Stripe webhooks over HTTP."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import structlog
import typer

from dispatcher import serve as server
from dispatcher.cli import context
from dispatcher.config import Config
from dispatcher.config.settings import Settings

log = structlog.get_logger()


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on. 0: any free port.")] = 8080,
) -> None:
    """Accept form posts and Stripe webhooks, for a CRM without Python, until stopped (SIGTERM or Ctrl-C)."""
    config = context.config()
    settings = context.settings()
    with context.database(settings) as url:
        asyncio.run(_serve(settings, url, config, host, port))


async def _serve(settings: Settings, url: str, config: Config, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await _check(url)
    try:
        async with server.running(settings, url, config, host=host, port=port) as address:
            log.info("serving forms", address=address, forms=sorted(form.name for form in config.forms))
            await stop.wait()
            log.info("stopping: open requests are answered first")
    except OSError as error:
        typer.echo(
            f"outbox: cannot listen on {host}, port {port} ({error.strerror}); choose another with --port", err=True
        )
        raise typer.Exit(1) from error


async def _check(url: str) -> None:
    """Exit if conversions cannot be recorded. A database that only does not answer may come back while we serve."""
    async with server.Recorder.connect(url, None) as recorder:
        problem = await recorder.problem()
    if problem and problem != server.NO_ANSWER:
        typer.echo(f"outbox: {problem}", err=True)
        raise typer.Exit(2)
