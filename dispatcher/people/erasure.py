"""Erase a person, under the lock that excludes dispatchers. What is committed after it began is new data.

Of each of the person's events (`dispatcher.people.lookup.find_person`) the log keeps that it happened: its name, times and
amount, and how its deliveries ended. Everything else is removed: keys, traits, browser, campaign, consent, the other
details and the notes; the account and the fields that were sent; and what was folded from the event. Pending deliveries
end as `skipped: erased`.

The event_id stays, as it names a conversion and not a person: a repeat is recognised by it, and is neither counted nor
stored again. An event_id that identifies the person (it holds an e-mail address, or one of their keys as a word) is
replaced by a random one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database, Transaction, only_value
from dispatcher.identity.fragments import FIRST, Click, Fact, fold, fragment_id, join, pack, unpack
from dispatcher.identity.keys import Keys, LogPosition, position
from dispatcher.people.lookup import BATCH, EMPTY_SCAN, Found, Scan, Selector, find_person

log = structlog.get_logger()

ALL = 2**62
"""More events than a fragment has."""


async def erase(database: Database, selector: Selector, scan: Scan = EMPTY_SCAN) -> int:
    """Erase the person that `selector` means; return how many events were theirs (0: no match).

    `scan` is an earlier scan for the e-mail address, made when nobody had to wait for it.
    """
    async with database.transaction(seconds=0) as transaction:
        await transaction.run("exclude_dispatchers")
        erased = await _erase(transaction, await find_person(transaction, selector, scan))
    if erased:
        log.info("person erased", events=erased)
    return erased


async def _erase(transaction: Transaction, found: Found) -> int:
    if not found.events:
        return 0
    ids = list(found.events)
    await transaction.run("erase_pending", {"ids": ids})
    await _erase_fragments(transaction, found)
    # A Stripe customer is a lead.
    await transaction.run("erase_stripe", {"leads": found.leads(), "accounts": sorted(found.accounts)})
    identifying = [event_id async for event_id in _identifying(transaction, found)]
    rows = await transaction.run("erase_log", {"ids": ids, "identifying": identifying})
    return int(only_value(rows))


async def _erase_fragments(transaction: Transaction, found: Found) -> None:
    """Take the events out of the fragments; fold again what their fragments hold of other events."""
    held = [
        (fragment_id(keys), *event.position)
        for event in found.events.values()
        for keys in {event.keys, Keys(event.keys.account_id)}
        if not keys.is_empty
    ]
    left = await transaction.run(
        "erase_fragments",
        {
            "ids": list(found.events),
            "fragments": [fragment for fragment, _, _ in held],
            "ats": [at for _, at, _ in held],
            "events": [event_id for _, _, event_id in held],
        },
    )
    for fragment in left:
        newest = unpack(fragment.groups)
        keys = Keys(
            fragment.account_id,
            fragment.handl_id,
            fragment.lead_id,
            fragment.emails,
            fragment.phones,
            fragment.is_public,
        )
        folded, clicks = await _fold(transaction, fragment.id, keys)
        if abs(newest[FIRST][1]) not in found.events:
            join(folded, {FIRST: newest[FIRST]})  # its event may be gone from the log
        params = {"fragment": fragment.id, "groups": Jsonb(pack(folded)), "clicks": Jsonb(clicks)}
        await transaction.run("replace_fragment", params)


async def _fold(transaction: Transaction, fragment: UUID, keys: Keys) -> tuple[dict[str, LogPosition], list[Click]]:
    newest: dict[str, LogPosition] = {}
    first: dict[tuple[int, int], Click] = {}
    params = {"fragments": [fragment], "limit": ALL}
    async for rows in transaction.stream("read_fragment_facts", params, size=BATCH):
        facts = [Fact.of(position(row.occurred_at, row.id), keys, row.sealed, row.visitor, row.consent) for row in rows]
        folded = fold(facts)[keys]
        join(newest, unpack(folded.groups))
        for click in folded.clicks:
            mark = click.grade, click.digest
            first[mark] = min(first.get(mark, click), click)
    return newest, sorted(first.values())


async def _identifying(transaction: Transaction, found: Found) -> AsyncIterator[int]:
    """Yield the ids of the events whose event_id identifies the person."""
    keys = {key.lower() for event in found.events.values() for key in event.keys[:3] if key}
    ids = list(found.events)
    for start in range(0, len(ids), BATCH):
        for row in await transaction.run("read_events", {"ids": ids[start : start + BATCH]}):
            if identifies(row.event_id, keys):
                yield row.id


def identifies(event_id: str, keys: Collection[str]) -> bool:
    """Return whether an event_id holds an e-mail address, or one of `keys` (in lower case) as a word. Pure."""
    text = event_id.lower()
    return "@" in text or any(
        key in text and re.search(rf"(?<![0-9a-z]){re.escape(key)}(?![0-9a-z])", text) for key in keys
    )
