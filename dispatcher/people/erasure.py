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

import structlog
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database, Transaction, only_value
from dispatcher.identity.fragments import FIRST, Fact, Keys, LogPosition, fold, join, keys_of, pack, position, unpack
from dispatcher.identity.graph import all_keys, links
from dispatcher.people.lookup import BATCH, EMPTY_SCAN, Found, Scan, Selector, find_person

log = structlog.get_logger()


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
    fragments = {keys_of(event) for event in found.events.values()} | {Keys(account) for account in found.accounts}
    sign_ins = [
        (key, *position(event.occurred_at, event.id))
        for event in found.events.values()
        if keys_of(event).account_id
        for key in links(keys_of(event))
    ]
    left = await transaction.run(
        "erase_fragments",
        {
            "accounts": [keys.account_id for keys in fragments],
            "handls": [keys.handl_id for keys in fragments],
            "leads": [keys.lead_id for keys in fragments],
            "ids": list(found.events),
            "kinds": [key.kind.value for key, _, _ in sign_ins],
            "values": [key.value for key, _, _ in sign_ins],
            "ats": [at for _, at, _ in sign_ins],
            "sign_in_ids": [event_id for _, _, event_id in sign_ins],
        },
    )
    for fragment in left:
        newest = unpack(fragment.groups)
        if any(abs(event_id) in found.events for _, event_id in newest.values()):
            keys = Keys(fragment.account_id, fragment.handl_id, fragment.lead_id)
            folded = await _fold(transaction, fragment.id, keys)
            if abs(newest[FIRST][1]) not in found.events:
                join(folded, {FIRST: newest[FIRST]})  # its event may be gone from the log
            await transaction.run(
                "replace_fragment", {"handl_id": keys.handl_id, "lead_id": keys.lead_id, "groups": Jsonb(pack(folded))}
            )


async def _fold(transaction: Transaction, fragment: int, keys: Keys) -> dict[str, LogPosition]:
    newest: dict[str, LogPosition] = {}
    async for rows in transaction.stream("read_fragment_facts", {"fragment": fragment}, size=BATCH):
        folded = fold(
            Fact.of(position(row.occurred_at, row.id), keys, row.sealed, row.visitor, row.consent) for row in rows
        )
        join(newest, unpack(folded[keys]))
    return newest


async def _identifying(transaction: Transaction, found: Found) -> AsyncIterator[int]:
    """Yield the ids of the events whose event_id identifies the person."""
    keys = {key.value.lower() for event in found.events.values() for key in all_keys(keys_of(event))}
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
