"""The tables of a folded log in memory, with the queries of `schema/queries` that the resolver runs."""

from __future__ import annotations

import random
from collections import Counter, namedtuple

import msgspec

from dispatcher.identity.fragments import Fact, fold, fragment_id, marks
from dispatcher.identity.keys import Kind, keys_of, links, position

COLUMNS = {
    query: namedtuple(query, columns)  # noqa: PYI024 - as psycopg makes its rows
    for query, columns in {
        "read_fragments": "kind key text is_over_limit refusals",
        "find_around": "number before_at before_id after_at after_id",
        "read_clicks": "fragment_id grade digest at event_id",
        "read_sources": "part id occurred_at content",
        "read_fragment_facts": "fragment_id id occurred_at handl_id sealed visitor consent public",
    }.items()
}


def fact_of(event):
    return Fact.of(position(event.occurred_at, event.id), keys_of(event), event.sealed, event.visitor, event.consent)


def answer(coroutine):
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("waited")


class Tables:
    """Answers as PostgreSQL does, with the fragments of a key in any order. Counts the queries."""

    def __init__(self, events, rng=None):
        self.rng = rng or random.Random(0)
        self.queries = Counter()
        self.events = {event.id: event for event in events}
        facts = [fact_of(event) for event in events]
        self.fragments = fold(facts)
        self.marks = marks(facts)
        self.by_key = {}
        self.by_id = {str(fragment_id(keys)): folded for keys, folded in self.fragments.items()}
        for keys in sorted(self.fragments):
            carried = links(keys).all
            if keys.account_id and not carried:
                carried = [(Kind.ACCOUNT, keys.account_id)]
            for key in carried:
                self.by_key.setdefault(tuple(key), []).append(keys)

    async def run(self, query, params):
        self.queries[query] += 1
        return [COLUMNS[query](*row) for row in getattr(self, query)(**params)]

    def read_fragments(self, keys, most):
        for kind, carriers in keys.obj.items():
            for key, event_id in carriers.items():
                found = list(self.by_key.get((kind, key), ()))
                self.rng.shuffle(found)
                groups = [group for each in found for group in self.fragments[each].groups]
                refusals = self.marks.get((kind, key))
                if event_id and not refusals and {abs(number) for _, number, _ in groups} == {event_id}:
                    continue
                kept = [each for each in found if not each.is_public][:most] + [e for e in found if e.is_public][:most]
                rows = [[fragment_id(e), e, self.fragments[e].groups, self.fragments[e].known] for e in kept]
                yield kind, key, msgspec.json.encode(rows).decode() if rows else None, False, refusals

    def find_around(self, fragments, ats, ids):
        for number, (fragment, *at) in enumerate(zip(fragments, ats, ids, strict=True), start=1):
            events = self.by_id[str(fragment)].events
            before = [each for each in events if each < tuple(at)]
            after = [each for each in events if each > tuple(at)]
            yield number, *(before[-1] if before else (None, None)), *(after[0] if after else (None, None))

    def read_fragment_facts(self, fragments, limit):
        for fragment in fragments:
            for _, number in self.by_id[str(fragment)].events[-limit:]:
                event = self.events[number]
                yield (
                    fragment,
                    number,
                    event.occurred_at,
                    event.handl_id,
                    event.sealed,
                    event.visitor,
                    event.consent,
                    event.public,
                )

    def read_clicks(self, fragments):
        for fragment in fragments:
            for click in self.by_id[str(fragment)].clicks:
                yield fragment, *click

    def read_sources(self, **ids):
        for part, numbers in ids.items():
            for number in numbers:
                yield part, number, self.events[number].occurred_at, getattr(self.events[number], part)
