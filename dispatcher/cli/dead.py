"""`outbox dead list` and `outbox dead requeue`: lists dead letters and queues them again."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from dispatcher.cli import context, output
from dispatcher.cli.progress import progress
from dispatcher.database.connections import Database
from dispatcher.delivery import dead_letters
from dispatcher.delivery.dead_letters import DeadLetterFilter
from dispatcher.destinations.registry import explain

app = typer.Typer(help="List dead letters (deliveries that failed for good) and requeue them.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help='Only this reason, e.g. "missing value".')]
Destination = Annotated[str | None, typer.Option(help="Only this destination, e.g. meta.")]
Step = Annotated[str | None, typer.Option(help="Only this step, e.g. subscription_purchased.")]


def add_to(parent: typer.Typer) -> None:
    """Register the commands."""
    parent.add_typer(app, name="dead")


@app.command("list")
def list_(
    reason: Reason = None,
    destination: Destination = None,
    step: Step = None,
    *,
    json: output.Json = False,
) -> None:
    """List dead letters in groups, with what to do about each."""
    with context.migrated_database() as (_, url):
        groups = asyncio.run(_list(url, DeadLetterFilter(reason, destination, step)))
    if json:
        output.print_json(groups)
        return
    if not groups:
        typer.echo("no dead letters")
        return
    columns = ["destination", "step", "reason", "code", "count", "newest", "what to do"]
    output.print_table(columns, [_row(group) for group in groups])


@app.command()
def requeue(
    reason: Reason = None,
    destination: Destination = None,
    step: Step = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Requeue all dead letters.")] = False,
) -> None:
    """Queue dead letters for delivery again, as a new revision. Their history is kept."""
    if not (every or reason or destination or step):
        raise typer.BadParameter("Choose at least one of: --reason, --destination, --step, --all")
    with context.migrated_database() as (_, url):
        requeued = asyncio.run(_requeue(url, DeadLetterFilter(reason, destination, step)))
    typer.echo(f"{requeued} requeued")


def _row(group: dead_letters.Group) -> list[str]:
    code = "/".join(str(part) for part in (group.code, group.subcode) if part is not None)
    newest = f"{group.last_at:%Y-%m-%d %H:%M}"
    advice = explain(group.reason).do
    return [group.destination, group.step, group.reason or "", code, str(group.count), newest, advice]


async def _list(url: str, which: DeadLetterFilter) -> list[dead_letters.Group]:
    async with Database.connect(url, connections=1) as database:
        return await dead_letters.groups(database, which)


async def _requeue(url: str, which: DeadLetterFilter) -> int:
    async with Database.connect(url, connections=1) as database:
        with progress("requeued") as update:
            return await dead_letters.requeue(database, which, lambda done: update(done, None))
