"""What is known of persons from all that was recorded: the facets, and the events that intake has not folded yet.

Whoever is to be shown or forgotten is looked up here, so that nothing depends on how far the dispatchers are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dispatcher.database.connections import Queries
from dispatcher.identity.fragments import (
    MOST_BYTES,
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
    """The resolver that also knows what is not folded yet."""

    def __init__(self, queries: Queries) -> None:
        super().__init__(queries)
        self._queries = queries

    async def over_limit(self, keys: Collection[Key]) -> set[Key]:
        """Give those of `keys` that so many facets carry that they say nothing about who somebody is."""
        around = IdentityGraph()
        await self._look_up(around, LookupNeeded(keys=set(keys)))
        return set(around.over_limit_keys)

    async def unfolded(self, keys: Collection[Key]) -> list[Event]:
        """Give the events that are not folded yet and carry one of `keys`."""
        asked: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for key in keys:
            asked[key.kind].append(key.value)
        rows = await self._queries.run(
            "find_unfolded_events",
            {
                "accounts": asked[Kind.ACCOUNT],
                "handls": asked[Kind.HANDL],
                "leads": asked[Kind.LEAD],
                "longest": MOST_BYTES,
            },
        )
        missing_fields = set(keys)
        return [event for event in map(skeleton, rows) if missing_fields.intersection(all_keys(keys_of(event)))]

    async def _look_up(self, around: IdentityGraph, missing: LookupNeeded) -> None:
        await super()._look_up(around, missing)
        if missing.keys:
            fragments = fold(
                Fact.of(position(event.occurred_at, event.id), keys_of(event))
                for event in await self.unfolded(missing.keys)
            )
            for key in missing.keys:
                told = {keys: groups for keys, groups in fragments.items() if key in all_keys(keys)}
                known = _joined(around.fragments[key], told)
                if key in around.over_limit_keys or (len(known) > KEY_LIMIT and key.kind is not Kind.ACCOUNT):
                    around.over_limit_keys[key], known = True, []  # somebody may have signed in on it meanwhile
                around.fragments[key] = known
        if missing.sign_ins:
            events = await self.unfolded({key for key, _ in missing.sign_ins})
            for key, at in missing.sign_ins:
                found = around.sign_ins[key, at]
                for event in events:
                    keys = keys_of(event)
                    if keys.account_id and key in links(keys):
                        found = _with(found, (position(event.occurred_at, event.id), keys.account_id), at)
                around.sign_ins[key, at] = found


def skeleton(row: Sequence[Any]) -> Event:
    """Give an event of which only id, time and keys were read (in this order)."""
    number, at, account_id, handl_id, lead_id = row[:5]
    return Event(number, at, at, "", "", handl_id, lead_id, account_id)


def _joined(fragments: Sequence[Fragment], told: Mapping[Keys, Sequence[Group]]) -> list[Fragment]:
    known = {fragment.keys: fragment.groups for fragment in fragments}
    for keys, groups in told.items():
        newest = unpack(groups)
        join(newest, unpack(known.get(keys, ())))
        known[keys] = pack(newest)
    return [Fragment(keys, groups) for keys, groups in sorted(known.items())]


def _with(found: SignIns, sign_in: tuple[LogPosition, str], at: LogPosition) -> SignIns:
    if sign_in[0] < at:
        return SignIns(max(found.before or sign_in, sign_in), found.after)
    if sign_in[0] > at:
        return SignIns(found.before, min(found.after or sign_in, sign_in))
    return found
