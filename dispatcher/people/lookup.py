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

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from enum import StrEnum

import msgspec

from dispatcher.database.connections import Transaction
from dispatcher.identity.full_log import FullLogResolver, LoggedKeys
from dispatcher.identity.keys import KEY_LIMIT, Key, Keys, Kind, links
from dispatcher.identity.persons import ALONE, Person
from dispatcher.intake.worker import SLACK
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
    events: dict[int, LoggedKeys]

    def leads(self) -> list[str]:
        """Return the leads that the events carry."""
        return sorted({event.keys.lead_id for event in self.events.values()} - {""})


class Scan(msgspec.Struct, frozen=True):
    """The events that carry an e-mail address, among those with ids up to `upto`."""

    upto: int = 0
    events: Sequence[LoggedKeys] = ()


EMPTY_SCAN = Scan()


async def find_person(queries: Transaction, selector: Selector, scan: Scan = EMPTY_SCAN) -> Found:
    """Find the person that `selector` means; for an e-mail address, continue where `scan` ended.

    Raise `AmbiguousPersonError` if several persons have used the key or address.
    """
    search = _Search(queries)
    if selector.by is By.ACCOUNT:
        await search.add_account(Keys.of(selector.value.strip(), None, None).account_id)
    elif selector.by is By.EMAIL:
        await search.add_all((await scan_for_email(queries, selector.value, scan)).events)
    else:
        value = selector.value.strip()
        (key,) = links(Keys.of(None, None, value) if selector.by is By.LEAD else Keys.of(None, value, None)).all
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
        sealed = seal(row.person)
        if _digests(sealed) == (for_meta, for_google):
            found[row.id] = LoggedKeys.of(row, sealed.to_json())
    (ids,) = await queries.run("read_event_range")
    first, last = ids.first, ids.last
    if first is None:
        return scan
    for after in range(max(first - 1, scan.upto - SLACK), last, SCAN):
        params = {"after": after, "upto": after + SCAN, "for_meta": for_meta, "for_google": for_google}
        found |= {row.id: LoggedKeys.of(row) for row in await queries.run("find_events_by_email", params)}
        progress(min(after + SCAN, last) - first + 1, last - first + 1)
    return Scan(last, list(found.values()))


class _Search:
    """A search in progress: the accounts and events found so far."""

    def __init__(self, queries: Transaction) -> None:
        self.accounts: set[str] = set()
        self.events: dict[int, LoggedKeys] = {}
        self._queries = queries
        self._log = FullLogResolver(queries)

    async def add_account(self, account: str) -> None:
        """Add everything that belongs to an account."""
        self.accounts.add(account)
        used: set[Key] = set()
        async for batch in self._carrying({Key(Kind.ACCOUNT, account)}):
            self.events |= {event.id: event for event in batch}
            used.update(key for event in batch for key in links(event.keys).all)
        await self._add_person(Key(Kind.ACCOUNT, account), used)

    async def add_key(self, key: Key) -> None:
        """Add the person whose events carry a lead or handlID."""
        persons: set[Person] = set()
        anonymous: list[LoggedKeys] = []
        async with aclosing(self._carrying({key})) as batches:
            async for batch in batches:
                for event, person in zip(batch, await self._log.persons(batch), strict=True):
                    persons.add(person)
                    if person.kind != Kind.ACCOUNT:
                        anonymous.append(event)
                if len(accounts := _accounts(persons)) > 1:
                    raise AmbiguousPersonError(accounts)
        await self._add_persons(persons, anonymous)

    async def add_all(self, events: Sequence[LoggedKeys]) -> None:
        """Add the persons of some events."""
        persons: set[Person] = set()
        anonymous: list[LoggedKeys] = []
        for start in range(0, len(events), BATCH):
            batch = events[start : start + BATCH]
            for event, person in zip(batch, await self._log.persons(batch), strict=True):
                persons.add(person)
                if person.kind != Kind.ACCOUNT:
                    anonymous.append(event)
        if len(accounts := _accounts(persons)) > KEY_LIMIT:
            raise AmbiguousPersonError(accounts)
        await self._add_persons(persons, anonymous)

    async def _add_persons(self, persons: Collection[Person], anonymous: Sequence[LoggedKeys]) -> None:
        for account in sorted(_accounts(persons)):
            await self.add_account(account)
        self.events |= {event.id: event for event in anonymous}
        keys = {key for event in anonymous for key in links(event.keys).all}
        for person in sorted(person for person in persons if person.kind > ALONE and person.kind != Kind.ACCOUNT):
            await self._add_person(person, {person, *keys})

    async def _add_person(self, person: Person, keys: set[Key]) -> None:
        """Add the events without an account that belong to a person, from some keys on."""
        asked: set[Key] = set()
        while keys := keys - asked - await self._log.over_limit(keys - asked):
            asked |= keys
            found: list[LoggedKeys] = []
            async for batch in self._carrying(keys, anonymous=True):
                persons = await self._log.persons(batch)
                found += [event for event, each in zip(batch, persons, strict=True) if each == person]
            self.events |= {event.id: event for event in found}
            keys = {key for event in found for key in links(event.keys).all}

    async def _carrying(self, keys: Collection[Key], *, anonymous: bool = False) -> AsyncGenerator[list[LoggedKeys]]:
        """Yield the events that carry one of `keys`, folded or not; with `anonymous` only those without an account."""
        if not keys:
            return
        params = {
            "kinds": [int(key.kind) for key in keys],
            "keys": [key.value for key in keys],
            "anonymous": anonymous,
        }
        async with aclosing(self._queries.stream("find_events_of_keys", params, size=BATCH)) as rows:
            async for batch in rows:
                yield [LoggedKeys.of(row) for row in batch]
        unfolded = await self._log.unfolded(keys)
        if unfolded := [event for event in unfolded if not (anonymous and event.keys.account_id)]:
            yield unfolded


def _accounts(persons: Iterable[Person]) -> set[str]:
    return {person.value for person in persons if person.kind == Kind.ACCOUNT}


def _digests(sealed: Sealed) -> tuple[str, str]:
    """Return the digests of an e-mail address for Meta and for Google, without the appendix of an already hashed one."""
    (for_meta,), (for_google,) = sealed.meta.get("em", [""]), sealed.google.get("sha256_email_address", [""])
    return for_meta[:64] or for_google, for_google or for_meta[:64]
