"""Identity, pure: what the product says of random histories is what the oracle says, which knows only the design.

The resolver itself runs, over tables in memory that answer its queries as PostgreSQL does.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import msgspec
import pytest

from dispatcher.identity.enrichment import MAX_KEYS
from dispatcher.identity.fragments import fold, join, known_keys, newest_known, pack, unpack
from dispatcher.identity.keys import KEY_LIMIT
from dispatcher.identity.resolver import PersonResolver
from tests.properties.decision import sealed
from tests.properties.enrichment_oracle import resolve as judge
from tests.properties.histories import STORIES, at, history
from tests.properties.identity_decisions import DECISIONS
from tests.properties.person_oracle import Event as Told
from tests.support.identity_tables import Tables, answer, fact_of
from tests.support.told import as_event, of_oracle, of_product, with_one_lead

SEEDS = 100
"""Histories in each of the tests that are run for a hundred seeds each."""


def say(told, tables=None, only=None):
    """What the product says of each event of a history."""
    events = [as_event(event) for event in told]
    resolver = PersonResolver(tables or Tables(events))
    asked = [event for event in events if only is None or event.id in only]
    found = answer(resolver.find_enrichments(asked))
    profiles = answer(resolver.resolve(asked))
    return {
        event.id: of_product(event, own, enrichment, profile)
        for event, (own, enrichment), profile in zip(asked, found, profiles, strict=True)
    }


def expect(told):
    outcomes = judge(told)
    return {event.id: of_oracle(outcomes[event.id]) for event in told}


@pytest.mark.parametrize("story", STORIES)
def test_a_story_goes_out_as_the_oracle_says(story):
    told = with_one_lead(STORIES[story]())
    assert say(told) == expect(told)


def capped(said, told):
    """What the oracle says, with as many handlIDs and leads in external_id as the product sends: its own and the newest."""
    own = {event.id: {("handl", event.handl), *(("lead", lead) for lead in event.leads)} for event in told}
    for number, expected in said.items():
        listed = expected["external_id"]
        expected["external_id"] = [key for key in listed if key[0] == "account"]
        for kind in ("handl", "lead"):
            found = [key for key in listed if key[0] == kind]
            mine = [key for key in found[MAX_KEYS:] if key in own[number]]
            expected["external_id"] += [*found[: MAX_KEYS - len(mine)], *mine]
    return said


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.title)
def test_a_decision_of_the_documentation_is_what_goes_out(decision):
    told = sealed(decision.events)
    assert say(told) == capped(expect(told), told)


@pytest.mark.parametrize("hundred", range(30))
def test_random_histories_go_out_as_the_oracle_says(hundred):
    for seed in range(hundred * SEEDS, (hundred + 1) * SEEDS):
        told = with_one_lead(history(seed))
        assert say(told) == expect(told), f"seed {seed}"


@pytest.mark.parametrize("hundred", range(2))
def test_the_order_of_the_log_and_of_the_fragments_changes_nothing(hundred):
    for seed in range(hundred * SEEDS, (hundred + 1) * SEEDS):
        told = with_one_lead(history(seed))
        shuffled = Random(seed).sample(told, len(told))
        tables = Tables([as_event(event) for event in shuffled], Random(seed))
        assert say(shuffled, tables) == say(told), f"seed {seed}"


@pytest.mark.parametrize("hundred", range(2))
def test_what_is_said_of_an_event_does_not_depend_on_the_rest_of_the_batch(hundred):
    for seed in range(hundred * SEEDS, (hundred + 1) * SEEDS):
        told = with_one_lead(history(seed))
        together = say(told)
        for event in told:
            assert say(told, only={event.id}) == {event.id: together[event.id]}, f"seed {seed}"


@pytest.mark.parametrize("hundred", range(2))
def test_other_persons_change_nothing(hundred):
    """Whoever shares no key with anybody of a history has no part in it."""
    for seed in range(hundred * SEEDS, (hundred + 1) * SEEDS):
        told = with_one_lead(history(seed))
        others = [
            replace(
                event,
                id=100 + event.id,
                account=event.account and f"other {event.account}",
                handl=event.handl and f"other {event.handl}",
                leads=tuple(f"other {lead}" for lead in event.leads),
                emails=tuple(f"other-{email}" for email in event.emails),
                phones=tuple(f"other-{phone}" for phone in event.phones),
            )
            for event in with_one_lead(history(seed + 1))
        ]
        said = say([*told, *others])
        assert {number: what for number, what in said.items() if number < 100} == say(told), f"seed {seed}"


@pytest.mark.parametrize("hundred", range(2))
def test_no_value_crosses_an_account_boundary(hundred):
    for seed in range(hundred * SEEDS, (hundred + 1) * SEEDS):
        told = with_one_lead(history(seed))
        whose = {number: outcome.account for number, outcome in judge(told).items()}
        for number, said in say(told).items():
            assert {whose[source] for source in said["fields"].values()} <= {whose[number]}, f"seed {seed}"


@pytest.mark.parametrize("hundred", range(2))
def test_no_identifier_crosses_an_account_boundary(hundred):
    for seed in range(hundred * SEEDS, (hundred + 1) * SEEDS):
        told = with_one_lead(history(seed))
        outcomes = judge(told)
        for event in told:
            own = {("handl", event.handl), *(("lead", lead) for lead in event.leads)}
            for key in {
                key for key in say(told, only={event.id})[event.id]["external_id"] if key[0] != "account"
            } - own:
                users = {outcomes[other.id].account for other in told if carries(other, key) and not other.public}
                assert users <= {outcomes[event.id].account, None}, f"seed {seed}"


def carries(event, key):
    kind, value = key
    return event.handl == value if kind == "handl" else value in event.leads


def folded(told, batches):
    """The fragments of a history, folded in batches and merged as PostgreSQL merges them."""
    merged = {}
    for batch in batches:
        for keys, fragment in fold([fact_of(as_event(told[number])) for number in batch]).items():
            newest, known = merged.setdefault(keys, ({}, {}))
            join(newest, unpack(fragment.groups))
            for kind, value, micros, number in fragment.known or ():
                known[kind, value] = max(known.get((kind, value), (micros, number)), (micros, number))
            kept = newest_known((kind, value, *seen) for (kind, value), seen in known.items())
            merged[keys] = newest, {(kind, value): tuple(seen) for kind, value, *seen in kept}
    return {
        keys: (pack(newest), newest_known((kind, value, *seen) for (kind, value), seen in known.items()))
        for keys, (newest, known) in merged.items()
    }


@pytest.mark.parametrize("seed", range(50))
def test_the_log_folds_to_the_same_in_whatever_order(seed):
    told, lot = with_one_lead(history(seed)), Random(seed)
    numbers = range(len(told))
    batches = [lot.sample(numbers, lot.randint(1, len(told))) for _ in range(5)]
    assert folded(told, [*batches, numbers, *batches]) == folded(told, [numbers])


def test_an_account_keeps_its_newest_keys_in_whatever_order_they_came():
    told = [Told(id=n, occurred_at=at(n * 7 % 100), account="a", handl=f"h{n}") for n in range(1, 100)]
    facts = [fact_of(as_event(event)) for event in told]
    kept = known_keys(facts)
    assert [value for _, value, *_ in kept[:3]] == [
        f"h{n}" for n in sorted(range(1, 100), key=lambda n: -(n * 7 % 100))[:3]
    ]
    assert len(kept) == KEY_LIMIT + 1
    half = [known_keys(facts[start::2]) for start in (0, 1)]
    assert newest_known([*half[1], *half[0]]) == kept


def test_an_account_with_45_browsers_sends_the_newest():
    told = [Told(id=n, occurred_at=at(n), account="a", handl=f"h{100 - n}") for n in range(1, 46)]
    told.append(Told(id=46, occurred_at=at(46), account="a"))
    assert [value for kind, value in say(told)[46]["external_id"] if kind == "handl"] == [
        f"h{100 - n}" for n in range(45, 35, -1)
    ]


def test_a_click_is_lent_while_it_is_younger_than_90_days():
    told = [
        Told(id=1, occurred_at=at(0), account="a", fbc="fb.1.1.click"),
        Told(id=2, occurred_at=at(0) + timedelta(days=90, microseconds=-1), account="a"),
        Told(id=3, occurred_at=at(0) + timedelta(days=90), account="a"),
        Told(id=4, occurred_at=at(-1), account="a"),
    ]
    assert {number: said["fields"].get("fbc") for number, said in say(told).items()} == {1: 1, 2: 1, 3: None, 4: None}


# Cost

crowds = {
    "a test lead": [Told(id=n, occurred_at=at(n), leads=("test",), handl=f"h{n}") for n in range(1, 1000)],
    "an office": [
        Told(id=n, occurred_at=at(n), handl="office", account=None if n % 2 else f"a{n}", leads=(f"l{n}",))
        for n in range(1, 1000)
    ],
    "one account": [
        Told(id=n, occurred_at=at(n), account="a", handl=f"h{n // 2}", leads=(f"l{n // 3}",)) for n in range(1, 1000)
    ],
    "one lead": [Told(id=n, occurred_at=at(n), leads=("l",), handl="h", fbc="click") for n in range(1, 1000)],
    "a family": [
        Told(id=n, occurred_at=at(n), handl="home", account=("anna", "bob", None)[n % 3], fbp=f"{n}")
        for n in range(1, 1000)
    ],
}


@pytest.mark.parametrize("crowd", crowds)
@pytest.mark.parametrize("size", [10, 1000])
def test_a_batch_needs_the_same_few_queries_however_many_events_share_a_key(crowd, size):
    events = [as_event(event) for event in crowds[crowd][:size]]
    for batch in (events, events[:1], events[-1:]):
        tables = Tables(events)
        answer(PersonResolver(tables).resolve(batch))
        assert tables.queries["read_fragments"] <= 4
        assert max(tables.queries.values()) <= 4


def test_a_key_over_the_limit_that_connects_nobody_needs_no_more_queries():
    events = [as_event(event) for event in crowds["a test lead"]]
    tables = Tables(events)
    found = answer(PersonResolver(tables).resolve(events))
    assert [len(profile.keys) for profile in found] == [2] * len(events)
    assert set(tables.queries) == {"read_fragments"}
    assert msgspec.structs.asdict(found[0])["account_id"] is None
