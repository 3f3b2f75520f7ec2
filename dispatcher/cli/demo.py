"""`outbox demo`: everything on this machine."""

from __future__ import annotations

import asyncio
import io
import logging
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dispatcher.telemetry import logs

if TYPE_CHECKING:
    from dispatcher import demo as demo_site


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(demo)


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Make one visit, print what arrived, and exit.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port of the site; by default 8080, or any free one if that is taken.")
    ] = None,
    sandbox_port: Annotated[
        int | None, typer.Option(help="Port of the sandbox; by default 8090, or any free one if that is taken.")
    ] = None,
    console_port: Annotated[
        int | None, typer.Option(help="Port of the console; by default 8070, or any free one if that is taken.")
    ] = None,
) -> None:
    """Run everything on this machine: a CRM site, its database, the dispatcher, its console, and a sandbox of the destinations."""
    # Only the demo's CRM needs SQLAlchemy.
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    from dispatcher import demo as demo_site  # noqa: PLC0415

    logs.configure(level=logging.WARNING)  # the pages show what is happening
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot print ✅ prints a replacement
    try:
        if once:
            console = Console(width=max(100, shutil.get_terminal_size().columns))
            done = asyncio.run(demo_site.once(console, host=host, port=port, sandbox_port=sandbox_port))
            raise typer.Exit(0 if done else 1)
        asyncio.run(
            demo_site.serve(
                host=host, port=port, sandbox_port=sandbox_port, console_port=console_port, announce=_announce
            )
        )
    except OperationalError as error:
        raise (error.orig or error) from None
    except demo_site.DemoError as error:
        typer.echo(f"outbox: {error}", err=True)
        raise typer.Exit(1) from error


def _announce(running: demo_site.Demo) -> None:
    typer.echo(f"CRM site:  {running.site}")
    typer.echo(f"Sandbox:   {running.sandbox.url}")
    typer.echo(f"Console:   {running.console}")
    typer.echo("Fill in a form on the CRM site and watch it arrive in the sandbox. Ctrl-C stops everything.")
