"""Any conversion is written as JSON that PostgreSQL accepts, without raw personal data."""

from __future__ import annotations

import json

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import outbox
from outbox.encoding import MAX_DEPTH, MAX_ITEMS, MAX_TEXT, clean, encode
from tests.support.strategies import wild_text

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**250, max_value=2**260),
    st.floats(),
    st.decimals(),
    st.decimals(allow_nan=False).map(lambda number: number.scaleb(300) if number else number),
    wild_text,
    st.binary(max_size=5),
    st.dates(),
    st.datetimes(),
    st.uuids(),
    st.sampled_from(["\0", "\ud800", "\udfff\0", "NaN", "x" * 3000, 10**4000, float("-inf"), object(), {1}]),
)
_keys = st.one_of(wild_text, wild_text, st.integers(), st.none(), st.sampled_from(["\0", "value", "a" * 50]))
values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.tuples(inner, inner), st.dictionaries(_keys, inner, max_size=6)
    ),
    max_leaves=30,
)
details = st.dictionaries(_keys, values, max_size=6)
ids = st.one_of(st.none(), wild_text, st.integers(), st.floats(), st.uuids(), st.booleans())
conversions = st.builds(
    outbox.Conversion,
    name=st.just("lead_submitted"),
    event_id=ids,
    handl_id=ids,
    lead_id=ids,
    account_id=ids,
    person=st.one_of(st.none(), st.builds(outbox.Person, email=wild_text, phone=wild_text, city=wild_text), values),
    visitor=st.one_of(st.none(), st.builds(outbox.Visitor, user_agent=wild_text, url=wild_text, handl_id=wild_text)),
    campaign=st.one_of(st.none(), st.builds(outbox.Campaign, source=wild_text, term=wild_text)),
    consent=values,
    details=details,
)


@pytest.fixture(scope="module")
def recorder(shared_database_url):
    """A connection whose changes are rolled back."""
    with psycopg.connect(shared_database_url) as connection:
        yield connection
        connection.rollback()


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def texts(value):
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@settings(deadline=None)
@given(conversions)
def test_every_conversion_is_strict_json(conversion):
    def refuse(constant):
        raise AssertionError(constant)

    event = json.loads(encode(conversion), parse_constant=refuse)
    assert event["name"] == "lead_submitted"
    assert event["event_id"]
    for text in texts(event):
        assert "\0" not in text
        text.encode()  # no lone surrogate


@settings(deadline=None)
@given(details)
def test_details_are_bounded_and_what_is_missing_is_noted(given_details):
    notes = []
    kept = clean(given_details, "details", notes)
    assert depth(kept) <= MAX_DEPTH
    assert all(len(text) <= MAX_TEXT for text in texts(kept))
    assert len(kept) <= MAX_ITEMS
    assert clean(kept, "details", again := []) == kept
    assert again == []
    absent = [None, ""]
    missing = sum(value not in absent and key not in absent for key, value in given_details.items()) - len(kept)
    assert missing <= 0 or notes


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversions)
def test_postgresql_records_every_conversion(recorder, conversion):
    assert outbox.record(recorder, conversion) > 0
    assert len(outbox.record(recorder, [conversion, conversion])) == 2
    recorder.rollback()


@settings(deadline=None)
@given(st.builds(outbox.Person, email=st.emails(), city=st.text("bcdfghjklmnpqrstvwxyz", min_size=8, max_size=20)))
def test_nothing_of_a_person_is_readable_in_what_is_written(person):
    text = encode(outbox.LeadSubmitted(event_id="e", person=person)).decode().lower()
    assert person.email.lower() not in text
    assert person.city not in text
