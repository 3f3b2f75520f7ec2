"""`outbox person`: shows what is known about a person."""

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
from dispatcher.people.lookup import (
    EMPTY_SCAN,
    AmbiguousPersonError,
    By,
    Found,
    Scan,
    Selector,
    find_person,
    scan_for_email,
)
from dispatcher.people.profile import Item, PersonProfile, build_profile

MOST_EVENTS = 50
"""How many events are listed, the newest. `--json` prints all."""

Account = Annotated[str | None, typer.Option(help="The person with this account.")]
Lead = Annotated[str | None, typer.Option(help="The person with this lead.")]
Handl = Annotated[str | None, typer.Option(help="The person whose browser has this handlID.")]
Email = Annotated[str | None, typer.Option(help="The person with this e-mail address. It is hashed before the search.")]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(person)


def person(
    account: Account = None,
    lead: Lead = None,
    handl: Handl = None,
    email: Email = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, with all events.")] = False,
) -> None:
    """Show what is known about a person: keys, names of known data with times (never values), events, deliveries."""
    selector = selector_of(account, lead, handl, email)
    with context.migrated_database() as (_, url):
        shown = asyncio.run(_person(url, selector))
    if json:
        output.print_json(shown)
    elif not shown.events:
        typer.echo("no match")
    elif sys.stdout.isatty():
        _print_tables(shown)
    else:
        _print_lines(shown)


def selector_of(account: str | None, lead: str | None, handl: str | None, email: str | None) -> Selector:
    """Return the one selector that was given; raise a usage error for none or several."""
    by_name = {By.ACCOUNT: account, By.LEAD: lead, By.HANDL: handl, By.EMAIL: email}
    given = [Selector(by, value.strip()) for by, value in by_name.items() if value and value.strip()]
    if len(given) != 1:
        raise typer.BadParameter("Choose one of: --account, --lead, --handl, --email")
    return given[0]


async def _person(url: str, selector: Selector) -> PersonProfile:
    async with Database.connect(url, connections=1) as database:
        found, shown, _ = await look_up(database, selector)
        return shown if found.events else PersonProfile([], [], [], [], [])


async def look_up(database: Database, selector: Selector) -> tuple[Found, PersonProfile, Scan]:
    """Return what `selector` finds, what is known of that person, and the scan of the log if one was needed."""
    scan = EMPTY_SCAN
    async with database.transaction(is_reading=True, seconds=0) as transaction:
        if selector.by is By.EMAIL:
            with progress("searching the log") as update:
                scan = await scan_for_email(transaction, selector.value, progress=update)
        with one_person(selector):
            found = await find_person(transaction, selector, scan)
        return found, await build_profile(transaction, found), scan


@contextmanager
def one_person(selector: Selector) -> Iterator[None]:
    """Turn `AmbiguousPersonError` into an error message that names the accounts."""
    try:
        yield
    except AmbiguousPersonError as error:
        accounts = f": {', '.join(error.accounts)}" if len(error.accounts) <= 10 else f" ({len(error.accounts)})"
        typer.echo(f"outbox: several people have used this {selector.by}; choose an account{accounts}", err=True)
        raise typer.Exit(2) from error


def _print_tables(shown: PersonProfile) -> None:
    for title, columns, rows in _parts(shown):
        output.print_table(columns, rows, title)


def _print_lines(shown: PersonProfile) -> None:
    for title, _, rows in _parts(shown):
        typer.echo(title)
        for row in rows:
            typer.echo("  " + "  ".join(cell for cell in row if cell))


def _parts(shown: PersonProfile) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Return the tables to print: title, columns, rows."""
    when = ["first seen", "last seen", "events"]
    yield "keys", ["", "value", *when], [[key.name, key.value, *_when(key)] for key in shown.keys]
    for title, items in (("traits", shown.traits), ("browser", shown.browser)):
        if items:
            yield title, ["", *when], [[item.name, *_when(item)] for item in items]
    if shown.consent:
        yield "consent", ["", "state", *when], [[item.name, item.state or "", *_when(item)] for item in shown.consent]
    newest = shown.events[-MOST_EVENTS:]
    rows = [
        [f"{_time(event.at)}", event.name, event.event_id, *cells]
        for event in newest
        for cells in (
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
    yield title, ["occurred", "step", "event_id", "destination", "revision", "outcome", "when"], rows
    yield "why they belong together", ["event_id", "why"], [[event.event_id, event.why] for event in newest]
    if shown.apart:
        yield (
            "not this person",
            ["shared", "why not", "times", "last seen"],
            [
                [
                    other.shared,
                    other.reason,
                    str(other.combinations or ""),
                    _time(other.last_seen_at) if other.last_seen_at else "",
                ]
                for other in shown.apart
            ],
        )


def _when(item: Item) -> list[str]:
    return [_time(item.first_seen_at), _time(item.last_seen_at), f"{item.events} event{'s' if item.events > 1 else ''}"]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
