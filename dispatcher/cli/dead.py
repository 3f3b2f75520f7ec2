"""`outbox dead list` and `outbox dead requeue`: what will not be sent as it is, and sending it once more."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from dispatcher.cli import context, output
from dispatcher.cli.progress import progress
from dispatcher.database.connections import Database
from dispatcher.delivery import dead_letters
from dispatcher.delivery.dead_letters import DeadLetterFilter
from dispatcher.reasons import explain

app = typer.Typer(help="Dead letters: what somebody should look at.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help='Only of this reason, e.g. "missing value".')]
Destination = Annotated[str | None, typer.Option(help="Only of this destination, e.g. meta.")]
Step = Annotated[str | None, typer.Option(help="Only of this step, e.g. subscription_purchased.")]


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
    """Show dead letters, grouped, with what to do."""
    with context.migrated_database() as (_, url):
        groups = asyncio.run(_list(url, DeadLetterFilter(reason, destination, step)))
    if json:
        output.print_json(groups)
        return
    if not groups:
        typer.echo("no dead letters")
        return
    columns = ["destination", "step", "reason", "code", "count", "last", "what to do"]
    output.print_table(columns, [_row(group) for group in groups])


@app.command()
def requeue(
    reason: Reason = None,
    destination: Destination = None,
    step: Step = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them, whatever the reason.")] = False,
) -> None:
    """Owe dead letters once more, as a new revision; what was recorded of them stays."""
    if not (every or reason or destination or step):
        raise typer.BadParameter("say which: --reason, --destination, --step, or --all")
    with context.migrated_database() as (_, url):
        requeued = asyncio.run(_requeue(url, DeadLetterFilter(reason, destination, step)))
    typer.echo(f"{requeued} requeued")


def _row(group: dead_letters.Group) -> list[str]:
    code = "/".join(str(part) for part in (group.code, group.subcode) if part is not None)
    last = f"{group.last_at:%Y-%m-%d %H:%M}"
    advice = explain(group.reason).do
    return [group.destination, group.step, group.reason or "", code, str(group.count), last, advice]


async def _list(url: str, which: DeadLetterFilter) -> list[dead_letters.Group]:
    async with Database.connect(url, connections=1) as database:
        return await dead_letters.groups(database, which)


async def _requeue(url: str, which: DeadLetterFilter) -> int:
    async with Database.connect(url, connections=1) as database:
        with progress("requeued") as tell:
            return await dead_letters.requeue(database, which, lambda done: tell(done, None))
