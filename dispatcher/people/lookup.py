"""Find the person that an account, a lead, a handlID or an e-mail address means.

A selector names a person; `outbox person` and `outbox erase` find the same events for it (`find_person`):

- an account: its events, and the events without an account that belong to it by the rules of
  `dispatcher.identity.graph`; on keys with several accounts the time of each event decides;
- a lead or handlID: the person whose events carry it. If these belong to one account, everything of that account. If
  they belong to none, these events and the other events without an account that share a key with them. If they belong to
  several accounts, the key names nobody (`AmbiguousPersonError`);
- an e-mail address: the same, for all events that carry it. An event without any key is found only by its address.

Events that wait for intake count as if they were folded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from dispatcher.database.connections import Transaction
from dispatcher.identity.fragments import keys_of
from dispatcher.identity.full_log import FullLogResolver, skeleton
from dispatcher.identity.graph import KEY_LIMIT, Key, Kind, links
from dispatcher.intake.worker import SLACK
from dispatcher.models import Event
from outbox.sealing import Sealed, seal

BATCH = 1000
SCAN = 20_000
"""How many event ids one query of the scan for an e-mail address covers."""


class AmbiguousPersonError(Exception):
    """The selector has been used by several persons, so it names none of them."""

    def __init__(self, accounts: Collection[str]) -> None:
        super().__init__()
        self.accounts = sorted(accounts)


class By(StrEnum):
    """What a person is looked up by."""

    ACCOUNT = "account"
    LEAD = "lead"
    HANDL = "handl"
    EMAIL = "email"


class Selector(msgspec.Struct, frozen=True):
    """The key or address that names a person. Its value never prints."""

    by: By
    value: str

    def __repr__(self) -> str:
        return f"Selector(by={self.by!s})"


class Found(msgspec.Struct, frozen=True):
    """A person: their accounts (none if they never signed in), and all their events by id, of which only keys are read."""

    accounts: frozenset[str]
    events: dict[int, Event]

    def leads(self) -> list[str]:
        """Return the leads that the events carry."""
        keys = {key for event in self.events.values() for key in links(keys_of(event))}
        return sorted(key.value for key in keys if key.kind is Kind.LEAD)


class Scan(msgspec.Struct, frozen=True):
    """The events that carry an e-mail address, among those with ids up to `upto`."""

    upto: int = 0
    events: Sequence[Event] = ()


EMPTY_SCAN = Scan()


async def find_person(queries: Transaction, selector: Selector, scan: Scan = EMPTY_SCAN) -> Found:
    """Find the person that `selector` means; for an e-mail address, continue where `scan` ended.

    Raise `AmbiguousPersonError` if several persons have used the key or address.
    """
    search = _Search(queries)
    if selector.by is By.ACCOUNT:
        await search.add_account(keys_of(_carrying(Kind.ACCOUNT, selector.value)).account_id)
    elif selector.by is By.EMAIL:
        await search.add_all((await scan_for_email(queries, selector.value, scan)).events)
    else:
        kind = Kind.LEAD if selector.by is By.LEAD else Kind.HANDL
        (key,) = links(keys_of(_carrying(kind, selector.value)))
        await search.add_key(key)
    return Found(frozenset(search.accounts), search.events)


async def scan_for_email(
    queries: Transaction,
    address: str,
    scan: Scan = EMPTY_SCAN,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Scan:
    """Find the events with an e-mail address, from where `scan` ended. The log is searched for its hashes.

    Addresses that intake has not sealed yet are sealed in memory to compare them. `progress` is called with the ids of
    events done and to do.
    """
    for_meta, for_google = _digests(seal({"email": address}))
    if not for_meta:
        return scan
    found = {event.id: event for event in scan.events}
    for row in await queries.run("read_raw_emails"):
        if _digests(seal({"email": row.email})) == (for_meta, for_google):
            found[row.id] = skeleton(row)
    (ids,) = await queries.run("read_event_range")
    first, last = ids.first, ids.last
    if first is None:
        return scan
    for after in range(max(first - 1, scan.upto - SLACK), last, SCAN):
        params = {"after": after, "upto": after + SCAN, "for_meta": for_meta, "for_google": for_google}
        found |= {row.id: skeleton(row) for row in await queries.run("find_events_by_email", params)}
        progress(min(after + SCAN, last) - first + 1, last - first + 1)
    return Scan(last, list(found.values()))


class _Search:
    """A search in progress: the accounts and events found so far."""

    def __init__(self, queries: Transaction) -> None:
        self.accounts: set[str] = set()
        self.events: dict[int, Event] = {}
        self._queries = queries
        self._log = FullLogResolver(queries)

    async def add_account(self, account: str) -> None:
        """Add everything that belongs to an account."""
        self.accounts.add(account)
        used: set[Key] = set()
        async for batch in self._carrying({Key(Kind.ACCOUNT, account)}):
            self.events |= {event.id: event for event in batch}
            used.update(key for event in batch for key in links(keys_of(event)))
        direct = await self._add_owned(account, used)
        one_step_away = {key for event in direct for key in links(keys_of(event))} - used
        await self._add_owned(account, one_step_away - await self._log.over_limit(one_step_away))

    async def add_key(self, key: Key) -> None:
        """Add the person whose events carry a lead or handlID."""
        owners: set[str] = set()
        async with aclosing(self._carrying({key})) as batches:
            async for batch in batches:
                owners |= {account for _, account in await self._owners(batch)}
                if len(owners - {""}) > 1:
                    raise AmbiguousPersonError(owners - {""})
        for account in owners - {""}:
            await self.add_account(account)
        if "" in owners:
            await self.add_anonymous({key})

    async def add_anonymous(self, keys: set[Key]) -> None:
        """Add the events without an owner on `keys`, and on the keys one step away from them."""
        over_limit = await self._log.over_limit(keys)
        direct = await self._add_owned("", keys)
        one_step_away = {
            key
            for event in direct
            for key in links(keys_of(event))
            if not over_limit.intersection(links(keys_of(event)))
        } - keys
        await self._add_owned("", one_step_away - await self._log.over_limit(one_step_away))

    async def add_all(self, events: Sequence[Event]) -> None:
        """Add the persons of some events."""
        accounts: set[str] = set()
        anonymous: list[Event] = []
        for start in range(0, len(events), BATCH):
            for event, account in await self._owners(events[start : start + BATCH]):
                if account:
                    accounts.add(account)
                else:
                    anonymous.append(event)
        keys = {key for event in anonymous for key in links(keys_of(event))}
        if len(accounts) > KEY_LIMIT or len(keys) > KEY_LIMIT:
            raise AmbiguousPersonError(accounts)
        for account in sorted(accounts):
            await self.add_account(account)
        self.events |= {event.id: event for event in anonymous}
        await self.add_anonymous(keys - await self._log.over_limit(keys))

    async def _add_owned(self, account: str, keys: set[Key]) -> list[Event]:
        """Add the events without an account on `keys` that belong to `account` ("": to no account); return them."""
        found: list[Event] = []
        async for batch in self._carrying(keys, anonymous=True):
            found += [event for event, owner in await self._owners(batch) if owner == account]
        self.events |= {event.id: event for event in found}
        return found

    async def _owners(self, events: Sequence[Event]) -> list[tuple[Event, str]]:
        owners = await self._log.find_owners(events)
        return [(event, owner.account_id) for event, owner in zip(events, owners, strict=True)]

    async def _carrying(self, keys: Collection[Key], *, anonymous: bool = False) -> AsyncGenerator[list[Event]]:
        """Yield the events that carry one of `keys`, folded or not; with `anonymous` only those without an account."""
        if not keys:
            return
        params = {
            "kinds": [key.kind.value for key in keys],
            "keys": [key.value for key in keys],
            "anonymous": anonymous,
        }
        async with aclosing(self._queries.stream("find_events_of_keys", params, size=BATCH)) as rows:
            async for batch in rows:
                yield [skeleton(row) for row in batch]
        if unfolded := [event for event in await self._log.unfolded(keys) if not (anonymous and event.account_id)]:
            yield unfolded


def _digests(sealed: Sealed) -> tuple[str, str]:
    """Return the digests of an e-mail address for Meta and for Google, without the appendix of an already hashed one."""
    (for_meta,), (for_google,) = sealed.meta.get("em", [""]), sealed.google.get("sha256_email_address", [""])
    return for_meta[:64] or for_google, for_google or for_meta[:64]


def _carrying(kind: Kind, value: str) -> Event:
    keys = {Kind.ACCOUNT: "account_id", Kind.HANDL: "handl_id", Kind.LEAD: "lead_id"}
    return msgspec.structs.replace(
        skeleton((0, datetime.min.replace(tzinfo=UTC), None, None, None)), **{keys[kind]: value.strip()}
    )
