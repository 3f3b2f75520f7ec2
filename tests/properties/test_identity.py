"""Identity, pure: the fold and the resolver against the plain meaning, over logs made to collide.

What runs is the resolver as it is, over tables in memory that answer its three questions as PostgreSQL does.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.identity.fragments import Fact, Keys, fold, join, keys_of, pack, position, unpack
from dispatcher.identity.resolver import PersonResolver
from dispatcher.models import Event
from tests.properties import identity_oracle as oracle
from tests.properties.identity_oracle import KEY_LIMIT, Log

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(unhurried, max_examples=200)

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)

VALUES = {
    "meta": ("em", "ph", "fn", "country"),
    "google": ("sha256_email_address",),
    "visitor": ("fbp", "fbc", "fbclid", "fbclid_at", "user_agent", "ip", "url", "referrer", "ga_client_id"),
}


def event_of(number, *, at, account_id=None, handl_id=None, lead_id=None, told=(), consent=None):
    """An event; each value that it tells names it, so that it is seen where the value came from."""
    values = {kind: {name: f"{name} of {number}" for name in names if name in told} for kind, names in VALUES.items()}
    traits = {form: {name: [value] for name, value in values[form].items()} for form in ("meta", "google")}
    country = f"country of {number}" if "country" in told else None
    return Event(
        id=number,
        occurred_at=BEGIN + timedelta(minutes=at),
        recorded_at=BEGIN,
        name="lead_submitted",
        event_id=str(number),
        account_id=account_id,
        handl_id=handl_id,
        lead_id=lead_id,
        sealed={**traits, "country": country} if told else None,
        visitor=values["visitor"] or None,
        consent=consent,
    )


def keys(letter, most):
    """One of a few keys, or none."""
    return st.sampled_from([None, *(f"{letter}{number}" for number in range(1, most + 1))])


everything = [name for names in VALUES.values() for name in names]
happenings = st.fixed_dictionaries(
    {
        "at": st.integers(0, 6),
        "account_id": st.one_of(st.none(), keys("a", 3)),
        "handl_id": keys("h", 4),
        "lead_id": keys("l", 4),
        "told": st.lists(st.sampled_from(everything), max_size=5, unique=True),
        "consent": st.sampled_from(
            [
                *[None] * 4,
                {"ad_user_data": "granted"},
                {"ad_user_data": "denied", "ad_personalization": "granted"},
                {"ad_personalization": "denied"},
            ]
        ),
    }
)


@st.composite
def over_limit_keys(draw):
    """A key in nearly or more than as many combinations as make a crowd, each with a key of its own beside it."""
    over_limit, beside, third = draw(st.permutations(["account_id", "handl_id", "lead_id"]))
    size = draw(st.sampled_from([KEY_LIMIT - 2, KEY_LIMIT - 1, KEY_LIMIT, KEY_LIMIT + 1, 2 * KEY_LIMIT]))
    lots = draw(st.randoms(use_true_random=False))
    rarely = draw(st.sampled_from([0, 0.1, 0.5]))
    return [
        {
            "at": lots.randrange(7),
            "told": lots.sample(everything, 2),
            over_limit: f"{over_limit[0]}1",
            beside: f"{beside[0]}{number}",
            third: f"{third[0]}{lots.randint(1, 3)}" if lots.random() < rarely else None,
        }
        for number in range(1, size + 1)
    ]


@st.composite
def logs(draw, *, least=1, most=14):
    """A log of a few events over few keys, now and then with a crowd among them, numbered in any order of time."""
    happened = draw(st.lists(happenings, min_size=least, max_size=most))
    if draw(st.integers(0, 4)) == 0:
        happened += draw(over_limit_keys())
    return [event_of(number, **fields) for number, fields in enumerate(happened, start=1)]


class Tables:
    """The tables of a folded log, and what `schema/queries` says of them. Counts what it is asked."""

    def __init__(self, events, lots=None):
        self.lots = lots or random.Random(0)
        self.asked = Counter()
        self.events = {event.id: event for event in events}
        self.fragments = fold(map(fact_of, events))
        self.by_key = {}
        for fragment in sorted(self.fragments):
            for kind, key in enumerate(fragment, start=1):
                self.by_key.setdefault((kind, key), []).append(fragment)
        self.sign_ins = {}
        for event in sorted(events, key=oracle.when):
            for kind, key in ((2, event.handl_id), (3, event.lead_id)):
                if key and event.account_id:
                    self.sign_ins.setdefault((kind, key), []).append((*fact_of(event).position, event.account_id))

    async def run(self, query, parameters):
        self.asked[query] += 1
        answers = {
            "read_fragments": self.fragments_of,
            "find_sign_ins": self.sign_ins_around,
            "read_sources": self.sources,
        }
        return list(answers[query](**parameters))

    def fragments_of(self, accounts, handls, leads, crowd):
        for kind, asked in enumerate((accounts.obj, handls.obj, leads.obj), start=1):
            for key, event in asked.items():
                found = list(self.by_key.get((kind, key), ()))
                if kind > 1:
                    self.lots.shuffle(found)
                else:  # only an account's come in an order of their own
                    found = found[:crowd]
                if any({abs(number) for _, number, _ in self.fragments[fragment]} != {event} for fragment in found):
                    told = msgspec.json.encode([[*fragment, self.fragments[fragment]] for fragment in found])
                    is_crowded = len(found) > crowd
                    yield kind, key, None if is_crowded else told, is_crowded and (kind, key) in self.sign_ins

    def sign_ins_around(self, kinds, keys, ats, ids):
        for number, (kind, key, *at) in enumerate(zip(kinds, keys, ats, ids, strict=True), start=1):
            found = self.sign_ins.get((kind, key), [])
            before = [row for row in found if row[:2] < tuple(at)]
            after = [row for row in found if row[:2] > tuple(at)]
            yield number, *(before[-1] if before else [None] * 3), *(after[0] if after else [None] * 3)

    def sources(self, **ids):
        for part, numbers in ids.items():
            for number in numbers:
                yield part, number, self.events[number].occurred_at, getattr(self.events[number], part)


def fact_of(event):
    return Fact.of(position(event.occurred_at, event.id), keys_of(event), event.sealed, event.visitor, event.consent)


def answer(coroutine):
    """What a coroutine gives that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("waited")


def resolve(events, tables=None):
    return answer(PersonResolver(tables or Tables(events)).resolve(events))


def told_of(known):
    """What is known, as the oracle puts it."""
    fields = {name: getattr(known, name) for name in oracle.Person.__dataclass_fields__}
    return fields | {"account_id": known.account_id or oracle.NOBODY}


def origins(known):
    """The numbers of the events whose values are known."""
    values = [*known.visitor.values(), *([known.country] if known.country else [])]
    values += [value for traits in (known.meta, known.google) for listed in traits.values() for value in listed]
    return {int(value.rsplit(" of ", 1)[1]) for value in values}


# Folding


@unhurried
@given(logs(least=0), st.randoms(use_true_random=False))
def test_the_log_folds_to_the_same_in_whatever_order(events, lots):
    assert fold(map(fact_of, lots.sample(events, len(events)))) == fold(map(fact_of, events))


@unhurried
@given(logs(), st.data())
def test_the_log_folds_to_the_same_in_whatever_batches_however_often(events, data):
    batches = data.draw(st.lists(st.lists(st.sampled_from(events), max_size=6), max_size=5))
    folded = {}
    for batch in (*batches, events[::2], events[1::2], *batches):
        for fragment, told in fold(map(fact_of, batch)).items():
            join(folded.setdefault(fragment, {}), unpack(told))
    assert {keys: pack(newest) for keys, newest in folded.items()} == fold(map(fact_of, events))


@unhurried
@given(logs())
def test_a_facet_knows_who_told_each_field_last(events):
    assert fold(map(fact_of, events)) == {keys: pack(newest) for keys, newest in oracle.fragments(events).items()}


# Who belongs together


@unhurried
@given(logs(), st.randoms(use_true_random=False))
def test_whose_an_event_is_and_who_lends_to_it_is_what_the_whole_log_says(events, lots):
    log, tables = Log(events), Tables(events, lots)
    for event, relation in zip(events, answer(PersonResolver(tables).relate(events)), strict=True):
        sources = {oracle.combination(other) for other in log.sources(event)}
        alone = {(relation.account_id, "", "")}  # an account's events, kept a second time
        assert relation.account_id == log.owner(event)
        assert {*map(tuple, (fragment.keys for fragment in relation.sources))} - alone == sources - alone


@thorough
@given(logs(), st.randoms(use_true_random=False))
def test_what_is_known_of_an_event_is_what_the_whole_log_says(events, lots):
    log = Log(events)
    for event, known in zip(events, resolve(events, Tables(events, lots)), strict=True):
        assert told_of(known) == asdict(log.person(event))


@unhurried
@given(logs(), st.data())
def test_what_is_known_of_an_event_does_not_depend_on_what_is_asked_beside_it(events, data):
    event = data.draw(st.sampled_from(events))
    assert resolve([event], Tables(events)) == [resolve(events)[events.index(event)]]


@unhurried
@given(logs())
def test_no_value_crosses_an_account_boundary(events):
    log = Log(events)
    owners = {event.id: log.owner(event) for event in events}
    for event, known in zip(events, resolve(events), strict=True):
        assert {owners[number] for number in origins(known)} <= {owners[event.id]}


@unhurried
@given(logs())
def test_no_identifier_crosses_an_account_boundary(events):
    log = Log(events)
    for event, known in zip(events, resolve(events), strict=True):
        own = {value for _, value in oracle.keys(event)}
        for key in {*known.keys, known.earliest_key} - own - {None}:
            users = {log.owner(other) for other in events if key in oracle.combination(other)}
            assert users <= {log.owner(event), oracle.NOBODY}


@unhurried
@given(logs())
def test_what_is_borrowed_is_the_most_recent_that_the_person_has(events):
    log = Log(events)
    numbered = {event.id: event for event in events}
    for event, known in zip(events, resolve(events), strict=True):
        for name, (value,) in known.meta.items():
            lender = numbered[int(value.rsplit(" of ", 1)[1])]
            later = [other for other in log.sources(event) if oracle.when(other) > oracle.when(lender)]
            assert lender is event or not [other for other in later if name in oracle.lent(other)]


@unhurried
@given(logs())
def test_who_denies_consent_lends_nothing_and_borrows_nothing(events):
    denied = {event.id for event in events if oracle.denies(event)}
    for event, known in zip(events, resolve(events), strict=True):
        assert origins(known) & denied <= {event.id}
        if known.consent.get("ad_user_data") == "denied":
            assert (known.meta, known.google) == (oracle.told(event, "meta"), oracle.told(event, "google"))
            # GA4 counts no visitor twice for it: the client id is all that it still gets.
            assert known.visitor.keys() - (event.visitor or {}).keys() <= {"ga_client_id"}


@thorough
@given(logs())
def test_after_a_refusal_nothing_is_lent_to_what_was_granted_before(events):
    log = Log(events)
    for event, known in zip(events, resolve(events), strict=True):
        later = [
            e for e in log.sources(event) if oracle.stated(e, "ad_user_data") and oracle.when(e) > oracle.when(event)
        ]
        if later and oracle.denies(later[-1]):
            assert (known.meta, known.google) == (oracle.told(event, "meta"), oracle.told(event, "google"))


@unhurried
@given(logs(), logs())
def test_what_others_do_changes_nothing(events, others):
    strangers = [
        msgspec.structs.replace(
            other,
            id=100 + other.id,
            **{name: key and f"other {key}" for name, key in zip(Keys._fields, oracle.combination(other), strict=True)},
        )
        for other in others
    ]
    assert resolve(events, Tables([*events, *strangers])) == resolve(events)


def test_a_key_of_two_persons_is_neither_ones():
    """A browser on which nobody signed in: its two leads became two accounts, elsewhere."""
    events = [
        event_of(1, at=1, handl_id="office", lead_id="l1", told=["em", "fbp"]),
        event_of(2, at=2, handl_id="office", lead_id="l2", told=["em", "fbp"]),
        event_of(3, at=3, account_id="a1", lead_id="l1"),
        event_of(4, at=4, account_id="a2", lead_id="l2"),
    ]
    first, second = resolve(events)[2:]
    assert (first.keys, first.earliest_key, first.visitor) == (("a1", "l1"), "l1", {"fbp": "fbp of 1"})
    assert (second.keys, second.earliest_key, second.visitor) == (("a2", "l2"), "l2", {"fbp": "fbp of 2"})


def test_accounts_that_share_a_test_lead_share_no_client_id():
    events = [
        event_of(number, at=number, account_id=f"a{number}", lead_id="test") for number in range(1, KEY_LIMIT + 9)
    ]
    assert [known.earliest_key for known in resolve(events)] == [event.account_id for event in events]


def test_a_crowd_in_which_nobody_signed_in_tells_nothing_and_asks_nothing_further():
    events = [event_of(number, at=number, handl_id=f"h{number}", lead_id="test") for number in range(1, 3 * KEY_LIMIT)]
    tables = Tables(events)
    assert answer(PersonResolver(tables).look_up(events)) == [None] * len(events)
    assert tables.asked == {"fragments": 1}


def test_what_an_account_tells_without_a_browser_is_lent_to_what_it_tells_on_its_only_one():
    events = [event_of(1, at=1, account_id="a1", handl_id="h1"), event_of(2, at=2, account_id="a1", told=["ph"])]
    assert resolve(events)[0].meta == {"ph": ["ph of 2"]}


@pytest.mark.parametrize("seed", range(10))
def test_on_a_crowded_browser_too_an_event_is_whose_who_signed_in_last_before_it(seed):
    signing_in = {20: "a1", 60: "a2"}
    events = [
        event_of(number, at=number, account_id=signing_in.get(number), handl_id="office", lead_id=f"l{number}")
        for number in range(1, 3 * KEY_LIMIT)
    ]
    known = resolve(events, Tables(events, random.Random(seed)))
    assert [person.account_id for person in known] == [
        "a1" if number < 60 else "a2" for number in range(1, 3 * KEY_LIMIT)
    ]


# What it costs

test_lead = [{"lead_id": "test", "handl_id": f"h{n}", "account_id": None if n % 3 else f"a{n}"} for n in range(1000)]
office = [{"handl_id": "office", "lead_id": f"l{n}", "account_id": None if n % 2 else f"a{n}"} for n in range(1000)]
one_account = [{"account_id": "a1", "handl_id": f"h{n // 2}", "lead_id": f"l{n // 3}"} for n in range(1000)]
anonymous = [{"handl_id": f"h{n // 2}", "lead_id": f"l{n // 3}"} for n in range(1000)]
a_browser_of_leads_of_browsers = [
    {"handl_id": ["h", f"h{n // 3}", f"h{n // 3}"][n % 3], "lead_id": ["", "", "further "][n % 3] + f"l{n // 3}"}
    for n in range(60)
]


@pytest.mark.parametrize("size", [1, 10, 1000])
@pytest.mark.parametrize("person", [test_lead, office, one_account, anonymous, a_browser_of_leads_of_browsers])
def test_a_batch_costs_the_same_few_questions_however_many_events_share_a_key(person, size):
    events = [event_of(n, at=n % 50, told=everything[n % 7 :: 7], **keys) for n, keys in enumerate(person[:size], 1)]
    for batch in (events, events[:1], events[-1:]):
        tables = Tables(events)
        resolve(batch, tables)
        assert tables.asked["fragments"] <= 5
        assert max(tables.asked["find_sign_ins"], tables.asked["read_sources"]) <= 1
