"""People: the keys of somebody, what is known of them (by name and time, never a value or a hash), and their events."""

from __future__ import annotations

from aiohttp import web

from dispatcher.console.events import LONGEST, SCANNED, scan
from dispatcher.console.visit import Visit
from dispatcher.person import NOTHING, By, Selector, SeveralError, find
from dispatcher.portrait import Portrait, portrait

MOST_EVENTS = 100
MOST_ACCOUNTS = 20


async def show(visit: Visit) -> web.Response:
    """Ask whom to show."""
    return _page(visit)


async def search(visit: Visit) -> web.Response:
    """Show whom an account, a lead, a handlID or an e-mail address means."""
    value = visit.form.get("value", "")[:LONGEST]
    try:
        by = By(visit.form.get("by", ""))
    except ValueError:
        by = By.EMAIL if "@" in value else By.ACCOUNT
    if not value:
        return _page(visit)
    try:
        async with visit.transaction() as transaction:
            seen = await scan(transaction, value) if by is By.EMAIL else NOTHING
            found = await find(transaction, Selector(by, value), seen)
            known = await portrait(transaction, found) if found.events else None
    except SeveralError as error:
        return _page(visit, by=by, several=error.accounts[:MOST_ACCOUNTS])
    return _page(visit, by=by, known=known, asked=True)


def _page(
    visit: Visit,
    *,
    by: By = By.ACCOUNT,
    known: Portrait | None = None,
    several: list[str] | None = None,
    asked: bool = False,
) -> web.Response:
    return visit.page(
        "people.html",
        by=by,
        known=known,
        several=several,
        asked=asked,
        events=list(reversed(known.events[-MOST_EVENTS:])) if known else [],
        scanned=SCANNED,
    )
