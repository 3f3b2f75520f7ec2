"""Why the events of a person belong together, and why others that share a key with them do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec

from dispatcher.database.connections import Queries
from dispatcher.identity.explanation import NAMES, why_not_theirs, why_theirs
from dispatcher.identity.fragments import fragment_id
from dispatcher.identity.full_log import FullLogResolver, LoggedKeys
from dispatcher.identity.graph import Fragment, last_seen
from dispatcher.identity.keys import EPOCH, KEY_LIMIT, Kind, links
from dispatcher.identity.rules import IdentityRules
from dispatcher.people.lookup import BATCH, Found

MOST_KEYS = 100
"""How many keys of a person are searched for others who share them."""


class Apart(msgspec.Struct, frozen=True):
    """Others who share a kind of key with a person, and why they are not the same person.

    `combinations`: in how many combinations of keys they were seen; None: in too many to tell.
    """

    shared: str
    reason: str
    combinations: int | None
    last_seen_at: datetime | None


async def why_together(queries: Queries, found: Found) -> dict[int, str]:
    """Return, for each event of a person, why it is theirs."""
    resolver = FullLogResolver(queries)
    reasons: dict[int, str] = {}
    events = [found.events[number] for number in sorted(found.events)]
    for start in range(0, len(events), BATCH):
        batch = [event for event in events[start : start + BATCH] if not event.keys.is_empty]
        says = await resolver.ask(len(batch), partial(_why, batch))
        reasons |= {event.id: each for event, each in zip(batch, says, strict=True)}
    return reasons


def _why(events: Sequence[LoggedKeys], rules: IdentityRules, number: int) -> str:
    return why_theirs(rules, events[number].keys, events[number].position)


async def why_apart(queries: Queries, found: Found) -> list[Apart]:
    """Return who shares a key with a person without being that person, the most frequent first."""
    mine = {fragment_id(event.keys) for event in found.events.values()}
    used = Counter(key for event in found.events.values() for key in links(event.keys).all)
    keys = [key for key, _ in used.most_common(MOST_KEYS)]

    def others(rules: IdentityRules, number: int) -> list[tuple[str, Fragment]] | None:
        key = keys[number]
        fragments = [*rules.graph.on(key), *rules.graph.publics[key]]
        if key in rules.graph.over_limit:
            return None
        return [
            (why_not_theirs(rules, fragment.keys, last_seen(fragment)), fragment)
            for fragment in fragments
            if fragment.id not in mine and not _is_of(fragment, found.accounts)
        ]

    answers = await FullLogResolver(queries).ask(len(keys), others)
    counts: Counter[tuple[str, str]] = Counter()
    seen: dict[tuple[str, str], datetime] = {}
    over_limit: list[Apart] = []
    for key, found_on in zip(keys, answers, strict=True):
        shared = NAMES[Kind(key.kind)]
        if found_on is None:
            over_limit.append(Apart(shared, f"shared by more than {KEY_LIMIT} others", None, None))
        for reason, fragment in found_on or ():
            at = EPOCH + timedelta(microseconds=last_seen(fragment)[0])
            counts[shared, reason] += 1
            seen[shared, reason] = max(seen.get((shared, reason), at), at)
    return [*(Apart(*pair, count, seen[pair]) for pair, count in counts.most_common()), *over_limit]


def _is_of(fragment: Fragment, accounts: Collection[str]) -> bool:
    return fragment.keys.account_id in accounts
