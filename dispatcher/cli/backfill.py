"""`outbox backfill`: finds and queues re-sends after merges, on demand."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from dispatcher import daemon
from dispatcher.cli import context, output
from dispatcher.cli.progress import progress
from dispatcher.config.settings import Settings
from dispatcher.resend.backfill import backfill as scan
from dispatcher.resend.planner import Decision, summary

DAYS = 7  # no destination accepts older events


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(backfill)


def backfill(
    since: Annotated[
        datetime | None, typer.Option(help="Only events recorded since this time (UTC). Default: 7 days ago.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Only events of this account.")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent again, and enqueue nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Queue delivered events again where a merge has added an identifier and nothing can be counted twice.

    Idempotent, and safe while dispatchers are running. They deliver what it enqueues.
    """
    since = since or datetime.now(UTC) - timedelta(days=DAYS)
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    with context.migrated_database() as (settings, url):
        counts = asyncio.run(_scan(settings, url, since, account, dry_run=dry_run, quiet=json))
    if json:
        output.print_json(counts)
        return
    for decision, count in sorted(counts.items()):
        typer.echo(f"{count:8}  {decision}")
    if not counts:
        typer.echo("no delivered event could have gained an identifier")


async def _scan(
    settings: Settings, url: str, since: datetime, account: str | None, *, dry_run: bool, quiet: bool
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    async with daemon.running(settings, url, context.config()) as running:
        with progress("events", quiet=quiet) as update:
            async for part in scan(
                running.database, running.resender, since=since, account_id=account, dry_run=dry_run
            ):
                counts.update(summary(part.assessments))
                counts["enqueued"] += part.enqueued
                if part.merge_notices:
                    counts["merge notice"] += part.merge_notices
                update(part.done, part.total)
                if dry_run and not quiet:
                    for each in part.assessments:
                        if each.decision is Decision.RESEND:
                            event = each.event
                            gained = sorted({field.split(":")[0] for field in each.gained})
                            typer.echo(f"{event.name} {event.event_id}: would add {', '.join(gained)}")
    if dry_run:
        del counts["enqueued"]
    return +counts
