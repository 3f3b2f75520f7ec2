"""Identity, pure: the fold and the resolver agree with the plain rules of `identity_oracle`, over logs full of collisions.

The resolver itself runs, over tables in memory that answer its three queries as PostgreSQL does.
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


def event_of(number, *, at, account_id=None, handl_id=None, lead_id=None, fields=(), consent=None):
    """An event with `fields`; each value names the event, so that a test sees where a value came from."""
    values = {kind: {name: f"{name} of {number}" for name in names if name in fields} for kind, names in VALUES.items()}
    traits = {form: {name: [value] for name, value in values[form].items()} for form in ("meta", "google")}
    country = f"country of {number}" if "country" in fields else None
    return Event(
        id=number,
        occurred_at=BEGIN + timedelta(minutes=at),
        recorded_at=BEGIN,
        name="lead_submitted",
        event_id=str(number),
        account_id=account_id,
        handl_id=handl_id,
        lead_id=lead_id,
        sealed={**traits, "country": country} if fields else None,
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
        "fields": st.lists(st.sampled_from(everything), max_size=5, unique=True),
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
def around_the_limit(draw):
    """Events with one key in about KEY_LIMIT or in many more combinations, each with a key of its own beside it."""
    shared, beside, third = draw(st.permutations(["account_id", "handl_id", "lead_id"]))
    size = draw(st.sampled_from([KEY_LIMIT - 2, KEY_LIMIT - 1, KEY_LIMIT, KEY_LIMIT + 1, 2 * KEY_LIMIT]))
    rng = draw(st.randoms(use_true_random=False))
    rarely = draw(st.sampled_from([0, 0.1, 0.5]))
    return [
        {
            "at": rng.randrange(7),
            "fields": rng.sample(everything, 2),
            shared: f"{shared[0]}1",
            beside: f"{beside[0]}{number}",
            third: f"{third[0]}{rng.randint(1, 3)}" if rng.random() < rarely else None,
        }
        for number in range(1, size + 1)
    ]


@st.composite
def logs(draw, *, least=1, most=14):
    """A log of a few events over few keys, sometimes with a key around the limit, numbered in any order of time."""
    happened = draw(st.lists(happenings, min_size=least, max_size=most))
    if draw(st.integers(0, 4)) == 0:
        happened += draw(around_the_limit())
    return [event_of(number, **fields) for number, fields in enumerate(happened, start=1)]


class Tables:
    """The tables of a folded log, with the queries of `schema/queries` that the resolver runs. Counts the queries."""

    def __init__(self, events, rng=None):
        self.rng = rng or random.Random(0)
        self.queries = Counter()
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

    async def run(self, query, params):
        self.queries[query] += 1
        answers = {
            "read_fragments": self.fragments_of,
            "find_sign_ins": self.sign_ins_around,
            "read_sources": self.sources,
        }
        return list(answers[query](**params))

    def fragments_of(self, accounts, handls, leads, key_limit):
        for kind, carriers in enumerate((accounts.obj, handls.obj, leads.obj), start=1):
            for key, event in carriers.items():
                found = list(self.by_key.get((kind, key), ()))
                if kind > 1:
                    self.rng.shuffle(found)
                else:  # only the fragments of an account come in a fixed order
                    found = found[:key_limit]
                if any({abs(number) for _, number, _ in self.fragments[fragment]} != {event} for fragment in found):
                    text = msgspec.json.encode([[*fragment, self.fragments[fragment]] for fragment in found])
                    is_over_limit = len(found) > key_limit
                    yield kind, key, None if is_over_limit else text, is_over_limit and (kind, key) in self.sign_ins

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
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("waited")


def resolve(events, tables=None):
    return answer(PersonResolver(tables or Tables(events)).resolve(events))


def as_person(profile):
    """A profile in the form of the oracle."""
    fields = {name: getattr(profile, name) for name in oracle.Person.__dataclass_fields__}
    return fields | {"account_id": profile.account_id or oracle.NOBODY}


def origins(profile):
    """The numbers of the events that the values of a profile come from."""
    values = [*profile.visitor.values(), *([profile.country] if profile.country else [])]
    values += [value for traits in (profile.meta, profile.google) for listed in traits.values() for value in listed]
    return {int(value.rsplit(" of ", 1)[1]) for value in values}


# Folding


@unhurried
@given(logs(least=0), st.randoms(use_true_random=False))
def test_the_log_folds_to_the_same_in_whatever_order(events, rng):
    assert fold(map(fact_of, rng.sample(events, len(events)))) == fold(map(fact_of, events))


@unhurried
@given(logs(), st.data())
def test_the_log_folds_to_the_same_in_whatever_batches_however_often(events, data):
    batches = data.draw(st.lists(st.lists(st.sampled_from(events), max_size=6), max_size=5))
    folded = {}
    for batch in (*batches, events[::2], events[1::2], *batches):
        for fragment, groups in fold(map(fact_of, batch)).items():
            join(folded.setdefault(fragment, {}), unpack(groups))
    assert {keys: pack(newest) for keys, newest in folded.items()} == fold(map(fact_of, events))


@unhurried
@given(logs())
def test_a_fragment_holds_the_last_event_with_each_field(events):
    assert fold(map(fact_of, events)) == {keys: pack(newest) for keys, newest in oracle.fragments(events).items()}


# Owners and profiles


@unhurried
@given(logs(), st.randoms(use_true_random=False))
def test_owner_and_sources_of_an_event_are_what_the_whole_log_says(events, rng):
    log, tables = Log(events), Tables(events, rng)
    for event, owner in zip(events, answer(PersonResolver(tables).find_owners(events)), strict=True):
        sources = {oracle.combination(other) for other in log.sources(event)}
        alone = {(owner.account_id, "", "")}  # the events of an account, folded a second time
        assert owner.account_id == log.owner(event)
        assert {*map(tuple, (fragment.keys for fragment in owner.sources))} - alone == sources - alone


@thorough
@given(logs(), st.randoms(use_true_random=False))
def test_a_profile_is_what_the_whole_log_says(events, rng):
    log = Log(events)
    for event, profile in zip(events, resolve(events, Tables(events, rng)), strict=True):
        assert as_person(profile) == asdict(log.person(event))


@unhurried
@given(logs(), st.data())
def test_a_profile_does_not_depend_on_the_rest_of_the_batch(events, data):
    event = data.draw(st.sampled_from(events))
    assert resolve([event], Tables(events)) == [resolve(events)[events.index(event)]]


@unhurried
@given(logs())
def test_no_value_crosses_an_account_boundary(events):
    log = Log(events)
    owners = {event.id: log.owner(event) for event in events}
    for event, profile in zip(events, resolve(events), strict=True):
        assert {owners[number] for number in origins(profile)} <= {owners[event.id]}


@unhurried
@given(logs())
def test_no_identifier_crosses_an_account_boundary(events):
    log = Log(events)
    for event, profile in zip(events, resolve(events), strict=True):
        own = {value for _, value in oracle.keys(event)}
        for key in {*profile.keys, profile.earliest_key} - own - {None}:
            users = {log.owner(other) for other in events if key in oracle.combination(other)}
            assert users <= {log.owner(event), oracle.NOBODY}


@unhurried
@given(logs())
def test_a_borrowed_value_is_the_most_recent_one_of_the_person(events):
    log = Log(events)
    numbered = {event.id: event for event in events}
    for event, profile in zip(events, resolve(events), strict=True):
        for name, (value,) in profile.meta.items():
            source = numbered[int(value.rsplit(" of ", 1)[1])]
            later = [other for other in log.sources(event) if oracle.when(other) > oracle.when(source)]
            assert source is event or not [other for other in later if name in oracle.fields_of(other)]


@unhurried
@given(logs())
def test_an_event_that_denies_consent_is_no_source_and_borrows_nothing(events):
    denied = {event.id for event in events if oracle.denies(event)}
    for event, profile in zip(events, resolve(events), strict=True):
        assert origins(profile) & denied <= {event.id}
        if profile.consent.get("ad_user_data") == "denied":
            assert (profile.meta, profile.google) == (
                oracle.own_traits(event, "meta"),
                oracle.own_traits(event, "google"),
            )
            # GA4 still gets the client id, so that it counts no visitor twice.
            assert profile.visitor.keys() - (event.visitor or {}).keys() <= {"ga_client_id"}


@thorough
@given(logs())
def test_after_a_refusal_events_that_granted_before_borrow_nothing(events):
    log = Log(events)
    for event, profile in zip(events, resolve(events), strict=True):
        later = [
            e for e in log.sources(event) if oracle.stated(e, "ad_user_data") and oracle.when(e) > oracle.when(event)
        ]
        if later and oracle.denies(later[-1]):
            assert (profile.meta, profile.google) == (
                oracle.own_traits(event, "meta"),
                oracle.own_traits(event, "google"),
            )


@unhurried
@given(logs(), logs())
def test_other_persons_change_nothing(events, others):
    strangers = [
        msgspec.structs.replace(
            other,
            id=100 + other.id,
            **{name: key and f"other {key}" for name, key in zip(Keys._fields, oracle.combination(other), strict=True)},
        )
        for other in others
    ]
    assert resolve(events, Tables([*events, *strangers])) == resolve(events)


def test_a_key_of_two_persons_identifies_neither():
    """A browser on which nobody signed in: its two leads became two accounts, elsewhere."""
    events = [
        event_of(1, at=1, handl_id="office", lead_id="l1", fields=["em", "fbp"]),
        event_of(2, at=2, handl_id="office", lead_id="l2", fields=["em", "fbp"]),
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
    assert [profile.earliest_key for profile in resolve(events)] == [event.account_id for event in events]


def test_a_key_over_the_limit_without_sign_ins_connects_nobody_and_needs_one_query():
    events = [event_of(number, at=number, handl_id=f"h{number}", lead_id="test") for number in range(1, 3 * KEY_LIMIT)]
    tables = Tables(events)
    assert answer(PersonResolver(tables).look_up(events)) == [None] * len(events)
    assert tables.queries == {"read_fragments": 1}


def test_an_event_on_an_accounts_only_browser_borrows_from_its_events_without_a_browser():
    events = [event_of(1, at=1, account_id="a1", handl_id="h1"), event_of(2, at=2, account_id="a1", fields=["ph"])]
    assert resolve(events)[0].meta == {"ph": ["ph of 2"]}


@pytest.mark.parametrize("seed", range(10))
def test_on_a_browser_over_the_limit_the_last_sign_in_before_an_event_owns_it(seed):
    signing_in = {20: "a1", 60: "a2"}
    events = [
        event_of(number, at=number, account_id=signing_in.get(number), handl_id="office", lead_id=f"l{number}")
        for number in range(1, 3 * KEY_LIMIT)
    ]
    profiles = resolve(events, Tables(events, random.Random(seed)))
    assert [profile.account_id for profile in profiles] == [
        "a1" if number < 60 else "a2" for number in range(1, 3 * KEY_LIMIT)
    ]


# Cost

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
def test_a_batch_needs_the_same_few_queries_however_many_events_share_a_key(person, size):
    events = [event_of(n, at=n % 50, fields=everything[n % 7 :: 7], **keys) for n, keys in enumerate(person[:size], 1)]
    for batch in (events, events[:1], events[-1:]):
        tables = Tables(events)
        resolve(batch, tables)
        assert tables.queries["read_fragments"] <= 5
        assert max(tables.queries["find_sign_ins"], tables.queries["read_sources"]) <= 1
