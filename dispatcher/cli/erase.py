"""`outbox erase`: forgets a person."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from dispatcher.cli import context
from dispatcher.cli.person import Account, Email, Handl, Lead, look_up, one_person, selector_of
from dispatcher.cli.progress import progress
from dispatcher.database.connections import Database
from dispatcher.people import erasure as forgetting
from dispatcher.people.lookup import EMPTY_SCAN, By, Found, Selector, scan_for_email
from dispatcher.people.profile import PersonProfile


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(erase)


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
    selector = selector_of(account, lead, handl, email)
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on; say --yes to erase without being asked")
    with context.migrated_database() as (_, url):
        asyncio.run(_erase(url, selector, ask=not yes))


async def _erase(url: str, selector: Selector, *, ask: bool) -> None:
    async with Database.connect(url, connections=1) as database:
        scan = EMPTY_SCAN
        if ask:
            found, shown, scan = await look_up(database, selector)
            if found.events:
                typer.echo(f"About to be erased: {_counts(found, shown)}.")
                typer.confirm("Erase them? This cannot be undone.", abort=True)
        elif selector.by is By.EMAIL:
            async with database.transaction(is_reading=True, seconds=0) as transaction:
                with progress("looking through the log") as tell:
                    scan = await scan_for_email(transaction, selector.value, progress=tell)
        with one_person(selector):
            erased = await forgetting.erase(database, selector, scan)
    typer.echo(f"erased: {erased} events" if erased else "nothing is known of them")


def _counts(found: Found, shown: PersonProfile) -> str:
    pending = sum(
        delivery.outcome in {"pending", "being sent", "waiting for intake"}
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
        "deliveries still owed": pending,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
