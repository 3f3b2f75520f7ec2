"""`outbox dead list` and `outbox dead requeue`: what will not be sent as it is, and sending it once more."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from dispatcher.cli import context
from dispatcher.database import Database

REQUEUE_BATCH = 5000

app = typer.Typer(help="Dead letters: what somebody should look at.", no_args_is_help=True)

Reason = Annotated[str | None, typer.Option(help='Only of this reason, e.g. "missing value".')]
Destination = Annotated[str | None, typer.Option(help="Only of this destination, e.g. meta.")]
Name = Annotated[str | None, typer.Option(help="Only of this step, e.g. subscription_purchased.")]

WHAT_TO_DO = {
    "missing value": "record value and currency with this step, or give the step a default",
    "insufficient identity": "record an e-mail, phone, handlID, account or lead with this step",
    "window closed": "too late for the destination; nothing brings these back",
    "event time too old": "too late for the destination; nothing brings these back",
    "cannot be built": "a mistake of ours: please report it with the event's id",
}


class Group(msgspec.Struct):
    """Dead letters of one destination, step, reason and code."""

    destination: str
    name: str
    reason: str | None
    code: int | None
    subcode: int | None
    count: int
    first_at: Any
    last_at: Any
    example: int


def add_to(parent: typer.Typer) -> None:
    """Register the commands."""
    parent.add_typer(app, name="dead")


@app.command("list")
def list_(
    reason: Reason = None,
    destination: Destination = None,
    name: Name = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show dead letters, grouped, with what to do."""
    with context.migrated_database() as (_, url):
        groups = asyncio.run(_list(url, {"reason": reason, "destination": destination, "name": name}))
    if json:
        typer.echo(msgspec.json.encode(groups))
        return
    if not groups:
        typer.echo("no dead letters")
        return
    table = Table("destination", "step", "reason", "code", "count", "last", "what to do")
    for group in groups:
        code = "/".join(str(part) for part in (group.code, group.subcode) if part is not None)
        advice = WHAT_TO_DO.get(group.reason or "", "look the code up, mend the cause, then requeue")
        last = f"{group.last_at:%Y-%m-%d %H:%M}"
        table.add_row(group.destination, group.name, group.reason, code, str(group.count), last, advice)
    Console(width=None if typer.get_text_stream("stdout").isatty() else 160).print(table)


@app.command()
def requeue(
    reason: Reason = None,
    destination: Destination = None,
    name: Name = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them, whatever the reason.")] = False,
) -> None:
    """Owe dead letters once more, as a new revision; what was recorded of them stays."""
    if not (every or reason or destination or name):
        raise typer.BadParameter("say which: --reason, --destination, --name, or --all")
    with context.migrated_database() as (_, url):
        requeued = asyncio.run(_requeue(url, {"reason": reason, "destination": destination, "name": name}))
    typer.echo(f"{requeued} requeued")


async def _list(url: str, which: dict[str, Any]) -> list[Group]:
    async with Database.connect(url, connections=1) as database:
        return [Group(*row) for row in await database.run_once("dead_list", which)]


async def _requeue(url: str, which: dict[str, Any]) -> int:
    requeued = 0
    async with Database.connect(url, connections=1) as database:
        before = (await database.run_once("clock"))[0][0]
        batch = which | {"before": before, "limit": REQUEUE_BATCH}
        while count := (await database.run_once("dead_requeue", batch))[0][0]:
            requeued += count
    return requeued
