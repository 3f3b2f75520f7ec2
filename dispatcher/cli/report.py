"""`outbox report`: how well the sent events identify people, and what would help most."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dispatcher.cli import context
from dispatcher.cli.output import Json, print_json
from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.monitoring import report

GOOD, POOR = 0.8, 0.3
"""The shares of events with an identifier from which it is shown as good, and below which as poor."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("report")(show)


def show(
    days: Annotated[int, typer.Option(min=1, max=400, help="Number of days (UTC), including today.")] = 7,
    *,
    json: Json = False,
) -> None:
    """Show match quality: coverage of each identifier, our estimate, and the destination's own score if the token may read it."""
    config = context.config()
    with context.migrated_database() as (settings, url):
        found = asyncio.run(_report(settings, url, config, days))
    if json:
        print_json({"explanation": found.explanation, "report": found})
    elif sys.stdout.isatty():
        _print(found)
    else:
        typer.echo(report.as_text(found))


async def _report(settings: Settings, url: str, config: Config, days: int) -> report.QualityReport:
    async with Database.connect(url, connections=1) as database:
        return await report.report(database, settings, config, until=datetime.now(UTC).date(), days=days)


def _print(found: report.QualityReport) -> None:
    console = Console()
    if not found.lines:
        console.print(report.as_text(found))
        return
    table = Table(title=f"Match quality, {found.since} to {found.until}", title_justify="left", show_lines=True)
    for heading in ("destination", "event", "score", "coverage", "would help most"):
        table.add_column(heading)
    for line in found.lines:
        quality = line.quality
        table.add_row(
            Text(quality.destination),
            Text(report.event_label(quality)),
            Text(report.score_text(line).replace(", ", "\n")),
            _coverage(report.coverage(quality)),
            Text(quality.advice or ""),
        )
    console.print(table)
    for name, problem in found.problems.items():
        console.print(
            Text(f"{name}: {report.owner(found, name)}'s own score is not available: {problem}", style="yellow")
        )
    console.print(Text(found.explanation, style="dim"))


def _coverage(shares: list[tuple[str, float]]) -> Text:
    text = Text()
    for label, share in shares:
        colour = "green" if share >= GOOD else "red" if share < POOR else "yellow"
        text.append(f"{share:>4.0%} ", style=colour).append(f"{label}\n")
    text.rstrip()
    return text
