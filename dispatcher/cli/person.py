"""`outbox person`, `outbox erase` and `outbox rebuild`: what is known of somebody, forgetting them, folding again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

from dispatcher.cli import context, output
from dispatcher.cli.progress import progress
from dispatcher.database.connections import Database
from dispatcher.maintenance import rebuild as folding
from dispatcher.people import erasure as forgetting
from dispatcher.people.lookup import NOTHING, By, Found, Scan, Selector, SeveralError, find, look_through
from dispatcher.people.profile import Item, Portrait, portrait

MOST_EVENTS = 50
"""So many are listed, the newest; `--json` gives all."""

Account = Annotated[str | None, typer.Option(help="Whom this account belongs to.")]
Lead = Annotated[str | None, typer.Option(help="Who this lead is.")]
Handl = Annotated[str | None, typer.Option(help="Whose browser has this handlID.")]
Email = Annotated[str | None, typer.Option(help="Who has this e-mail address; it is hashed before it is looked up.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(person)
    app.command()(erase)
    app.command()(rebuild)


def person(
    account: Account = None,
    lead: Lead = None,
    handl: Handl = None,
    email: Email = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="As JSON, with all events.")] = False,
) -> None:
    """Show what is known of someone: keys, what was learnt when (never the values), events, deliveries."""
    selector = _selector(account, lead, handl, email)
    with context.migrated_database() as (_, url):
        shown = asyncio.run(_person(url, selector))
    if json:
        output.print_json(shown)
    elif not shown.events:
        typer.echo("nothing is known of them")
    elif sys.stdout.isatty():
        _print_tables(shown)
    else:
        _print_lines(shown)


def erase(
    account: Account = None,
    lead: Lead = None,
    handl: Handl = None,
    email: Email = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget someone: what `outbox person` shows of them is removed, and nothing more is sent; counts stay.

    What the destinations were told already they must be asked to delete.
    """
    selector = _selector(account, lead, handl, email)
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on; say --yes to erase without being asked")
    with context.migrated_database() as (_, url):
        asyncio.run(_erase(url, selector, ask=not yes))


def rebuild() -> None:
    """Drop the queue and what is known of persons, and fold the logs again; safe beside running dispatchers.

    They wait until it is done, recording does not. What was being sent at that moment may be sent once more.
    """
    with context.migrated_database() as (_, url):
        done = asyncio.run(_rebuild(url))
    typer.echo(f"{done.events} events folded; {done.owed} deliveries owed, of which {done.taken} were just being sent")


def _selector(account: str | None, lead: str | None, handl: str | None, email: str | None) -> Selector:
    by_name = {By.ACCOUNT: account, By.LEAD: lead, By.HANDL: handl, By.EMAIL: email}
    given = [Selector(by, value.strip()) for by, value in by_name.items() if value and value.strip()]
    if len(given) != 1:
        raise typer.BadParameter("say who, in one way: --account, --lead, --handl or --email")
    return given[0]


async def _person(url: str, selector: Selector) -> Portrait:
    async with Database.connect(url, connections=1) as database:
        found, shown, _ = await _look(database, selector)
        return shown if found.events else Portrait([], [], [], [], [])


async def _look(database: Database, selector: Selector) -> tuple[Found, Portrait, Scan]:
    scan = NOTHING
    async with database.transaction(is_reading=True, seconds=0) as transaction:
        if selector.by is By.EMAIL:
            with progress("looking through the log") as tell:
                scan = await look_through(transaction, selector.value, progress=tell)
        with _several(selector):
            found = await find(transaction, selector, scan)
        return found, await portrait(transaction, found), scan


async def _erase(url: str, selector: Selector, *, ask: bool) -> None:
    async with Database.connect(url, connections=1) as database:
        scan = NOTHING
        if ask:
            found, shown, scan = await _look(database, selector)
            if found.events:
                typer.echo(f"About to be erased: {_counts(found, shown)}.")
                typer.confirm("Erase them? This cannot be undone.", abort=True)
        elif selector.by is By.EMAIL:
            async with database.transaction(is_reading=True, seconds=0) as transaction:
                with progress("looking through the log") as tell:
                    scan = await look_through(transaction, selector.value, progress=tell)
        with _several(selector):
            erased = await forgetting.erase(database, selector, scan)
    typer.echo(f"erased: {erased} events" if erased else "nothing is known of them")


async def _rebuild(url: str) -> folding.Rebuilt:
    async with Database.connect(url, connections=1) as database:
        with progress("folding the log") as tell:
            return await folding.rebuild(database, tell)


def _counts(found: Found, shown: Portrait) -> str:
    owed = sum(
        delivery.outcome in {"owed", "being sent", "waiting for intake"}
        for event in shown.events
        for delivery in event.deliveries
    )
    counts = {
        "events": len(shown.events),
        "accounts": len(found.accounts),
        "handlIDs": sum(key.name == "handl" for key in shown.keys),
        "leads": sum(key.name == "lead" for key in shown.keys),
        "traits": len(shown.traits),
        "browser values": len(shown.browser),
        "deliveries still owed": owed,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


@contextmanager
def _several(selector: Selector) -> Iterator[None]:
    try:
        yield
    except SeveralError as error:
        accounts = f": {', '.join(error.accounts)}" if len(error.accounts) <= 10 else f" ({len(error.accounts)})"
        typer.echo(f"outbox: several persons have used this {selector.by}; name an account{accounts}", err=True)
        raise typer.Exit(2) from error


def _print_tables(shown: Portrait) -> None:
    for title, columns, rows in _parts(shown):
        output.print_table(columns, rows, title)


def _print_lines(shown: Portrait) -> None:
    for title, _, rows in _parts(shown):
        typer.echo(title)
        for row in rows:
            typer.echo("  " + "  ".join(cell for cell in row if cell))


def _parts(shown: Portrait) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Give what there is to show: a title, the columns, the rows."""
    when = ["learnt", "last told", "by"]
    yield "keys", ["", "value", *when], [[key.name, key.value, *_when(key)] for key in shown.keys]
    for title, items in (("traits", shown.traits), ("browser", shown.browser)):
        if items:
            yield title, ["", *when], [[item.name, *_when(item)] for item in items]
    if shown.consent:
        yield "consent", ["", "state", *when], [[item.name, item.state or "", *_when(item)] for item in shown.consent]
    newest = shown.events[-MOST_EVENTS:]
    rows = [
        [f"{_time(event.at)}", event.name, event.event_id, *told]
        for event in newest
        for told in (
            [
                [
                    delivery.destination or "",
                    str(delivery.revision),
                    f"{delivery.outcome}: {delivery.reason}" if delivery.reason else delivery.outcome,
                    _time(delivery.at) if delivery.at else "",
                ]
                for delivery in event.deliveries
            ]
            or [[""] * 4]
        )
    ]
    more = len(shown.events) - len(newest)
    title = f"events (the newest {len(newest)}; {more} more with --json)" if more else "events"
    yield title, ["happened", "step", "event_id", "destination", "revision", "outcome", "when"], rows


def _when(item: Item) -> list[str]:
    return [_time(item.learnt_at), _time(item.told_at), f"{item.events} event{'s' if item.events > 1 else ''}"]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
