"""`outbox sandbox`: runs a local stand-in for all destinations."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from dispatcher import sandbox as sandbox_server
from dispatcher.cli import context


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(sandbox)


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8090,
) -> None:
    """Run a local stand-in for all destinations. It follows their documented rules, and its page shows what arrived."""
    with context.explaining(host, port):
        asyncio.run(sandbox_server.serve(host, port))
