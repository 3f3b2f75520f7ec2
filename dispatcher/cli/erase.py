"""`outbox erase`: erases a person's data."""

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
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase a person: everything that `outbox person` shows is removed, and nothing more is sent. Counts stay.

    Data that was already sent stays at the destinations. Ask them to delete it.
    """
    selector = selector_of(account, lead, handl, email)
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter(
            "There is no terminal to ask for confirmation. Use --yes to erase without confirmation."
        )
    with context.migrated_database() as (_, url):
        asyncio.run(_erase(url, selector, ask=not yes))


async def _erase(url: str, selector: Selector, *, ask: bool) -> None:
    async with Database.connect(url, connections=1) as database:
        scan = EMPTY_SCAN
        if ask:
            found, shown, scan = await look_up(database, selector)
            if found.events:
                typer.echo(f"This will be erased: {_counts(found, shown)}.")
                typer.confirm("Erase this person? This cannot be undone.", abort=True)
        elif selector.by is By.EMAIL:
            async with database.transaction(is_reading=True, seconds=0) as transaction:
                with progress("searching the log") as update:
                    scan = await scan_for_email(transaction, selector.value, progress=update)
        with one_person(selector):
            erased = await forgetting.erase(database, selector, scan)
    typer.echo(f"erased: {erased} events" if erased else "no match")


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
        "pending deliveries": pending,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
