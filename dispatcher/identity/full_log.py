"""Find persons in the full log: in the fragments, and in the events that intake has not folded yet.

`outbox person` and `outbox erase` look persons up here, so that the result does not depend on how far dispatchers are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dispatcher.database.connections import Queries
from dispatcher.identity.fragments import (
    MAX_KEY_BYTES,
    Fact,
    Group,
    Keys,
    LogPosition,
    fold,
    join,
    keys_of,
    pack,
    position,
    unpack,
)
from dispatcher.identity.graph import (
    KEY_LIMIT,
    Fragment,
    IdentityGraph,
    Key,
    Kind,
    LookupNeeded,
    SignIns,
    all_keys,
    links,
)
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Event


class FullLogResolver(PersonResolver):
    """A resolver that also reads the events that are not folded yet."""

    def __init__(self, queries: Queries) -> None:
        super().__init__(queries)
        self._queries = queries

    async def over_limit(self, keys: Collection[Key]) -> set[Key]:
        """Return those of `keys` that are over the limit, and so identify nobody."""
        graph = IdentityGraph()
        await self._look_up(graph, LookupNeeded(keys=set(keys)))
        return set(graph.over_limit)

    async def unfolded(self, keys: Collection[Key]) -> list[Event]:
        """Return the events that are not folded yet and carry one of `keys`."""
        values: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for key in keys:
            values[key.kind].append(key.value)
        rows = await self._queries.run(
            "find_unfolded_events",
            {
                "accounts": values[Kind.ACCOUNT],
                "handls": values[Kind.HANDL],
                "leads": values[Kind.LEAD],
                "longest": MAX_KEY_BYTES,
            },
        )
        wanted = set(keys)
        return [event for event in map(skeleton, rows) if wanted.intersection(all_keys(keys_of(event)))]

    async def _look_up(self, graph: IdentityGraph, missing: LookupNeeded) -> None:
        await super()._look_up(graph, missing)
        if missing.keys:
            fragments = fold(
                Fact.of(position(event.occurred_at, event.id), keys_of(event))
                for event in await self.unfolded(missing.keys)
            )
            for key in missing.keys:
                unfolded = {keys: groups for keys, groups in fragments.items() if key in all_keys(keys)}
                joined = _joined(graph.fragments[key], unfolded)
                if key in graph.over_limit or (len(joined) > KEY_LIMIT and key.kind is not Kind.ACCOUNT):
                    graph.over_limit[key], joined = True, []  # an unfolded event may be a sign-in on it
                graph.fragments[key] = joined
        if missing.sign_ins:
            events = await self.unfolded({key for key, _ in missing.sign_ins})
            for key, at in missing.sign_ins:
                found = graph.sign_ins[key, at]
                for event in events:
                    keys = keys_of(event)
                    if keys.account_id and key in links(keys):
                        found = _add_sign_in(found, (position(event.occurred_at, event.id), keys.account_id), at)
                graph.sign_ins[key, at] = found


def skeleton(row: Sequence[Any]) -> Event:
    """Return an event of which only id, time and keys were read, in this order."""
    number, at, account_id, handl_id, lead_id = row[:5]
    return Event(number, at, at, "", "", handl_id, lead_id, account_id)


def _joined(fragments: Sequence[Fragment], unfolded: Mapping[Keys, Sequence[Group]]) -> list[Fragment]:
    joined = {fragment.keys: fragment.groups for fragment in fragments}
    for keys, groups in unfolded.items():
        newest = unpack(groups)
        join(newest, unpack(joined.get(keys, ())))
        joined[keys] = pack(newest)
    return [Fragment(keys, groups) for keys, groups in sorted(joined.items())]


def _add_sign_in(found: SignIns, sign_in: tuple[LogPosition, str], at: LogPosition) -> SignIns:
    if sign_in[0] < at:
        return SignIns(max(found.before or sign_in, sign_in), found.after)
    if sign_in[0] > at:
        return SignIns(found.before, min(found.after or sign_in, sign_in))
    return found
