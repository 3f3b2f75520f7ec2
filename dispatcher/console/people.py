"""The page of people: a person's keys, the names of known data with times (never values or hashes), and their events."""

from __future__ import annotations

from aiohttp import web

from dispatcher.console.events import MAX_SCANNED, MAX_TERM, scan
from dispatcher.console.request import ConsoleRequest
from dispatcher.people.lookup import EMPTY_SCAN, AmbiguousPersonError, By, Selector, find_person
from dispatcher.people.profile import PersonProfile, build_profile

MAX_EVENTS = 100
MAX_ACCOUNTS = 20
_COLUMNS: dict[str, str] = {By.HANDL: "handl_id", By.LEAD: "lead_id", By.ACCOUNT: "account_id"}
"""The column of each key in a row of the query `read_event`."""


async def show(request: ConsoleRequest) -> web.Response:
    """Return the search page."""
    return _page(request)


async def search(request: ConsoleRequest) -> web.Response:
    """Return the person that an account, lead, handlID or e-mail address identifies."""
    value = request.form.get("value", "")[:MAX_TERM] or await _key_of_event(request)
    try:
        by = By(request.form.get("by", ""))
    except ValueError:
        by = By.EMAIL if "@" in value else By.ACCOUNT
    if not value:
        return _page(request)
    try:
        async with request.transaction() as transaction:
            scanned = await scan(transaction, value) if by is By.EMAIL else EMPTY_SCAN
            found = await find_person(transaction, Selector(by, value), scanned)
            profile = await build_profile(transaction, found) if found.events else None
    except AmbiguousPersonError as error:
        return _page(request, by=by, accounts=error.accounts[:MAX_ACCOUNTS])
    return _page(request, by=by, profile=profile, searched=True)


async def _key_of_event(request: ConsoleRequest) -> str:
    """Return a key of the event with the posted number, so that no page contains a key that it does not show."""
    number, by = request.form.get("event", ""), request.form.get("by", "")
    if by not in _COLUMNS or not (number.isascii() and number.isdecimal() and len(number) < 19):
        return ""
    rows = await request.run("read_event", {"id": int(number)})
    return (getattr(rows[0], _COLUMNS[by]) or "") if rows else ""


def _page(
    request: ConsoleRequest,
    *,
    by: By = By.ACCOUNT,
    profile: PersonProfile | None = None,
    accounts: list[str] | None = None,
    searched: bool = False,
) -> web.Response:
    return request.page(
        "people.html",
        by=by,
        profile=profile,
        accounts=accounts,
        searched=searched,
        events=list(reversed(profile.events[-MAX_EVENTS:])) if profile else [],
        most=MAX_SCANNED,
    )
