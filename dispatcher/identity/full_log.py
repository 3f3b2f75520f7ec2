"""Find persons in the full log: in the fragments, and in the events that intake has not folded yet.

`outbox person` and `outbox erase` look persons up here, so that the result does not depend on how far dispatchers are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from dispatcher.database.connections import Queries
from dispatcher.identity.fragments import Fact, Folded, fold, fragment_id, join, marks, newest_known, pack, unpack
from dispatcher.identity.graph import Around, Fragment, IdentityGraph, LookupNeeded
from dispatcher.identity.keys import MAX_KEY_BYTES, Key, Keys, Kind, LogPosition, all_keys, position
from dispatcher.identity.membership import Owner
from dispatcher.identity.persons import Person
from dispatcher.identity.resolver import PersonResolver
from outbox.sealing import seal


class LoggedKeys(msgspec.Struct, frozen=True, gc=False):
    """An event of which only id, time and keys were kept."""

    id: int
    occurred_at: datetime
    keys: Keys

    @classmethod
    def of(cls, row: Any, sealed: Any = None) -> LoggedKeys:
        """Return the keys in a row with id, occurred_at, the ids, sealed and public."""
        keys = Keys.of(row.account_id, row.handl_id, row.lead_id, sealed or row.sealed, public=row.public)
        return cls(row.id, row.occurred_at, keys)

    @property
    def position(self) -> LogPosition:
        """Its position in the log."""
        return position(self.occurred_at, self.id)


class FullLogResolver(PersonResolver):
    """A resolver that also reads the events that are not folded yet. `region`: of national phone numbers."""

    def __init__(self, queries: Queries, region: str | None = None) -> None:
        super().__init__(queries)
        self._queries = queries
        self._region = region

    async def over_limit(self, keys: Collection[Key]) -> set[Key]:
        """Return those of `keys` that are over the limit, and so identify nobody."""
        graph = IdentityGraph()
        await self._look_up(graph, LookupNeeded(keys=keys))
        return graph.over_limit

    async def owners_in_log(self, events: Sequence[LoggedKeys]) -> list[Owner]:
        """Return the owner of each event, in order."""
        return await self.owners_of([(event.keys, event.position) for event in events])

    async def persons(self, events: Sequence[LoggedKeys]) -> list[Person]:
        """Return the person of each event, in order."""
        graph = IdentityGraph()
        return await self.persons_of([(event.keys, event.position) for event in events], graph)

    async def unfolded(self, keys: Collection[Key]) -> list[LoggedKeys]:
        """Return the events that are not folded yet and carry one of `keys`."""
        wanted = set(keys)
        return [event for event in await self._unfolded_like(keys) if wanted.intersection(all_keys(event.keys))]

    async def _unfolded_like(self, keys: Iterable[Key]) -> list[LoggedKeys]:
        values: dict[int, list[str]] = {kind: [] for kind in Kind}
        for key in keys:
            values[key.kind].append(key.value)
        rows = await self._queries.run(
            "find_unfolded_events",
            {
                "accounts": values[Kind.ACCOUNT],
                "handls": values[Kind.HANDL],
                "leads": values[Kind.LEAD],
                "with_addresses": bool(values[Kind.EMAIL] or values[Kind.PHONE]),
                "longest": MAX_KEY_BYTES,
            },
        )
        return [
            LoggedKeys.of(row, seal(row.person, region=self._region).to_json() if row.person is not None else None)
            for row in rows
        ]

    async def _look_up(self, graph: IdentityGraph, missing: LookupNeeded) -> None:
        await super()._look_up(graph, missing)
        if missing.keys:
            events = await self.unfolded(missing.keys)
            facts = [Fact.of(event.position, event.keys) for event in events]
            folded = fold(facts)
            for key in missing.keys if folded else ():
                mine = {keys: each for keys, each in folded.items() if _is_found_by(keys, key)}
                if mine and key not in graph.over_limit:
                    graph.add(key, _joined((*graph.fragments[key], *graph.publics[key]), mine))
            for key, refusals in marks(facts).items():
                newest = dict(graph.marks.get(key, {}))
                join(newest, unpack(refusals))
                graph.marks[key] = newest
        if missing.moments:
            graph.around |= await self._around_unfolded(graph, missing.moments)

    async def _around_unfolded(
        self, graph: IdentityGraph, moments: Iterable[tuple[UUID, LogPosition]]
    ) -> Mapping[tuple[UUID, LogPosition], Around]:
        keys = {f.id: f.keys for fragments in graph.fragments.values() for f in fragments}
        asked = {key for fragment, _ in moments for key in all_keys(keys[fragment])}
        unfolded: dict[UUID, list[LogPosition]] = {}
        for event in await self.unfolded(asked):
            unfolded.setdefault(fragment_id(event.keys), []).append(event.position)
        found: dict[tuple[UUID, LogPosition], Around] = {}
        for fragment, at in moments:
            before, after = graph.around[fragment, at]
            positions = unfolded.get(fragment, [])
            found[fragment, at] = (
                max((each for each in (before, *positions) if each and each < at), default=None),
                min((each for each in (after, *positions) if each and each > at), default=None),
            )
        return found


def _is_found_by(keys: Keys, key: Key) -> bool:
    """Return whether a fragment is found by a key: that of an account alone by the account, others by their other keys."""
    if key.kind == Kind.ACCOUNT:
        return keys == Keys(key.value)
    return key in all_keys(keys)


def _joined(fragments: Iterable[Fragment], unfolded: Mapping[Keys, Folded]) -> list[Fragment]:
    joined = {fragment.keys: fragment for fragment in fragments}
    for keys, folded in unfolded.items():
        newest = unpack(folded.groups)
        known = folded.known
        if existing := joined.get(keys):
            join(newest, unpack(existing.groups))
            known = newest_known(_latest((*(existing.known or ()), *(known or ())))) if known is not None else None
        joined[keys] = Fragment(fragment_id(keys), keys, pack(newest), known)
    return [fragment for _, fragment in sorted(joined.items())]


def _latest(known: Iterable[tuple[int, str, int, int]]) -> list[tuple[int, str, int, int]]:
    latest: dict[tuple[int, str], LogPosition] = {}
    for kind, value, *at in known:
        latest[kind, value] = max(latest.get((kind, value), (at[0], at[1])), (at[0], at[1]))
    return [(kind, value, *at) for (kind, value), at in latest.items()]
