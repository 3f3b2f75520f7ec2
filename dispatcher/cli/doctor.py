"""`outbox doctor`: checks an installation, and says what to do about each problem."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console

from dispatcher.cli import context, output
from dispatcher.doctor import Finding, Severity, examine


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor(
    *,
    live: Annotated[
        bool,
        typer.Option("--live", help="Also test the destinations themselves, in the way that each of them offers."),
    ] = False,
    json: output.Json = False,
) -> None:
    """Check settings, database, clocks, deliveries and the newest events for every known problem.

    Writes nothing. Sends nothing without --live. What --live sends depends on the destination: events that it only
    validates or, if a test code is set, one event that it records. That one is called OutboxDoctor, so that no campaign
    optimises for it.

    Exit code 1 if there is an error. Warnings alone leave it 0.
    """
    config = context.config()
    settings = context.settings()
    console = Console(stderr=True)
    with context.database(settings) as url, console.status("checking") as status:
        found = asyncio.run(
            examine(settings, config, url, ask_live=live, progress=lambda part: status.update(f"checking {part}"))
        )
    if json:
        output.print_json(found)
    else:
        _print(found)
    if any(finding.severity is Severity.ERROR for finding in found):
        raise typer.Exit(1)


def _print(found: list[Finding]) -> None:
    """Print a table on a terminal, and lines elsewhere, where sentences in columns read badly."""
    if sys.stdout.isatty():
        rows = [[finding.severity.value, finding.check, finding.says, finding.do or ""] for finding in found]
        output.print_table(["", "check", "finding", "what to do"], rows)
    else:
        for finding in found:
            typer.echo(f"{finding.severity.value:7} {finding.check}: {finding.says}")
            if finding.do:
                typer.echo(f"        → {finding.do}")
    counts = Counter(finding.severity for finding in found)
    errors, warnings = counts[Severity.ERROR], counts[Severity.WARNING]
    typer.echo(
        f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}, "
        f"{counts[Severity.OK]} OK"
    )
