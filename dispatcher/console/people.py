"""People: the keys of somebody, what is known of them (by name and time, never a value or a hash), and their events."""

from __future__ import annotations

from aiohttp import web

from dispatcher.console.events import LONGEST, SCANNED, scan
from dispatcher.console.request import ConsoleRequest
from dispatcher.people.lookup import EMPTY_SCAN, AmbiguousPersonError, By, Selector, find_person
from dispatcher.people.profile import PersonProfile, build_profile

MOST_EVENTS = 100
MOST_ACCOUNTS = 20
_KEYS: dict[str, int] = {By.HANDL: 5, By.LEAD: 6, By.ACCOUNT: 7}
"""Where each key stands in a row of `event_shown`."""


async def show(visit: ConsoleRequest) -> web.Response:
    """Ask whom to show."""
    return _page(visit)


async def search(visit: ConsoleRequest) -> web.Response:
    """Show whom an account, a lead, a handlID or an e-mail address means."""
    value = visit.form.get("value", "")[:LONGEST] or await _of_event(visit)
    try:
        by = By(visit.form.get("by", ""))
    except ValueError:
        by = By.EMAIL if "@" in value else By.ACCOUNT
    if not value:
        return _page(visit)
    try:
        async with visit.transaction() as transaction:
            seen = await scan(transaction, value) if by is By.EMAIL else EMPTY_SCAN
            found = await find_person(transaction, Selector(by, value), seen)
            known = await build_profile(transaction, found) if found.events else None
    except AmbiguousPersonError as error:
        return _page(visit, by=by, several=error.accounts[:MOST_ACCOUNTS])
    return _page(visit, by=by, known=known, asked=True)


async def _of_event(visit: ConsoleRequest) -> str:
    """Give the key of an event that is asked for by its number: so no page holds a key that it does not show."""
    number, by = visit.form.get("event", ""), visit.form.get("by", "")
    if by not in _KEYS or not (number.isascii() and number.isdecimal() and len(number) < 19):
        return ""
    rows = await visit.run("read_event", {"id": int(number)})
    return (rows[0][_KEYS[by]] or "") if rows else ""


def _page(
    visit: ConsoleRequest,
    *,
    by: By = By.ACCOUNT,
    known: PersonProfile | None = None,
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
