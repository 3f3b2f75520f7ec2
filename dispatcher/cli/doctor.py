"""`outbox doctor`: whether anything is wrong, and what to do."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console

from dispatcher.cli import context, output
from dispatcher.doctor import Finding, Verdict, examine


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor(
    *,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Also ask GA4's debug endpoint, and Meta with a test event if META_CAPI_TEST_CODE is set."
        ),
    ] = False,
    json: output.Json = False,
) -> None:
    """Look at settings, database, clocks, deliveries and the newest events for whatever has ever gone wrong.

    Writes nothing. Sends nothing without --live; with it, GA4 only judges what it is asked. Meta, with a test code, is sent
    one event of a name of its own, OutboxDoctor: it counts there like any other, and nothing is optimised on it.

    Exit code 1 if something is bad; a warning leaves it 0.
    """
    config = context.config()
    settings = context.settings()
    console = Console(stderr=True)
    with context.database(settings) as url, console.status("looking") as status:
        found = asyncio.run(
            examine(settings, config, url, ask_live=live, progress=lambda what: status.update(f"looking at: {what}"))
        )
    if json:
        output.print_json(found)
    else:
        _print(found)
    if any(finding.verdict is Verdict.BAD for finding in found):
        raise typer.Exit(1)


def _print(found: list[Finding]) -> None:
    """Print a table on a terminal, and lines elsewhere: sentences stand badly in columns."""
    if sys.stdout.isatty():
        rows = [[finding.verdict.value, finding.check, finding.says, finding.do or ""] for finding in found]
        output.print_table(["", "looked at", "found", "what to do"], rows)
    else:
        for finding in found:
            typer.echo(f"{finding.verdict.value:5} {finding.check}: {finding.says}")
            if finding.do:
                typer.echo(f"      → {finding.do}")
    counts = Counter(finding.verdict for finding in found)
    typer.echo(f"{counts[Verdict.BAD]} bad, {counts[Verdict.WARN]} to be warned of, {counts[Verdict.OK]} well")
