"""Forgetting somebody, under the lock that no dispatcher works beside; what is committed after it began is new data.

Of each event of theirs (`dispatcher.person.find`) the log keeps that it happened: its name, its times, its amount, and
how its deliveries ended. Everything else goes: keys, traits, browser, campaign, consent, the other details, notes; for
whom and with what it was sent; and what was folded from it. What was still owed ends as `skipped: erased`.

The event_id stays, as the name of a conversion, not of a person: by it a repeat is recognised, and neither counted nor
kept again. One that tells who it was (an address, or a key of theirs as a word of it) is replaced by a random one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection

import structlog
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database, Transaction
from dispatcher.identity.fragments import FIRST, Fact, Keys, LogPosition, fold, join, keys_of, pack, position, unpack
from dispatcher.identity.graph import all_keys, links
from dispatcher.models import Event
from dispatcher.people.lookup import BATCH, NOTHING, Found, Scan, Selector, find

log = structlog.get_logger()


async def erase(database: Database, selector: Selector, scan: Scan = NOTHING) -> int:
    """Forget whom `selector` means; give how many events were theirs (0: nothing was known).

    `scan` is what was looked through for an e-mail address beforehand, when nobody had to wait for it.
    """
    async with database.transaction(seconds=0) as transaction:
        await transaction.run("exclude_dispatchers")
        erased = await _erase(transaction, await find(transaction, selector, scan))
    if erased:
        log.info("somebody was erased", events=erased)
    return erased


async def _erase(transaction: Transaction, found: Found) -> int:
    if not found.events:
        return 0
    ids = list(found.events)
    await transaction.run("erase_pending", {"ids": ids})
    await _forget(transaction, found)
    # A customer of Stripe's is a lead.
    await transaction.run("erase_stripe", {"leads": found.leads(), "accounts": sorted(found.accounts)})
    merge_notice = {event_id async for event_id in _telling(transaction, found)}
    rows = await transaction.run("erase_log", {"ids": ids, "telling": list(merge_notice)})
    return int(rows[0][0])


async def _forget(transaction: Transaction, found: Found) -> None:
    """Take the events out of what is known of persons; what their facets know of others is folded again."""
    fragments = {keys_of(event) for event in found.events.values()} | {Keys(account) for account in found.accounts}
    signed = [
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
            "kinds": [key.kind.value for key, _, _ in signed],
            "values": [key.value for key, _, _ in signed],
            "ats": [at for _, at, _ in signed],
            "signed": [event_id for _, _, event_id in signed],
        },
    )
    for fragment, *keys, groups in left:
        told = unpack(groups)
        if any(abs(event_id) in found.events for _, event_id in told.values()):
            again = await _fold(transaction, fragment, Keys(*keys))
            if abs(told[FIRST][1]) not in found.events:
                join(again, {FIRST: told[FIRST]})  # its event may be gone from the log
            await transaction.run(
                "replace_fragment", {"handl_id": keys[1], "lead_id": keys[2], "groups": Jsonb(pack(again))}
            )


async def _fold(transaction: Transaction, fragment: int, keys: Keys) -> dict[str, LogPosition]:
    newest: dict[str, LogPosition] = {}
    async for rows in transaction.stream("read_fragment_facts", {"fragment": fragment}, size=BATCH):
        told = fold(Fact.of(position(at, event_id), keys, *more) for event_id, at, *more in rows)
        join(newest, unpack(told[keys]))
    return newest


async def _telling(transaction: Transaction, found: Found) -> AsyncIterator[int]:
    """Give the events whose event_id says whose they were."""
    keys = {key.value.lower() for event in found.events.values() for key in all_keys(keys_of(event))}
    ids = list(found.events)
    for start in range(0, len(ids), BATCH):
        for row in await transaction.run("read_events", {"ids": ids[start : start + BATCH]}):
            event = Event(*row)
            if tells(event.event_id, keys):
                yield event.id


def tells(event_id: str, keys: Collection[str]) -> bool:
    """Say whether an event_id holds an e-mail address, or one of some keys (lower-cased) as a word. Pure."""
    text = event_id.lower()
    return "@" in text or any(
        key in text and re.search(rf"(?<![0-9a-z]){re.escape(key)}(?![0-9a-z])", text) for key in keys
    )
