"""Fragments: storing one in PostgreSQL loses nothing, and PostgreSQL merges two exactly as Python does."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from dispatcher.identity.fragments import FIRST, SEEN, join, pack, unpack

FIELDS = ("ct", "em", "fbc", "fbp", "ga_client_id", "sha256_email_address", "zp")
# Few positions, so that they are often equal, also in one of the two numbers only; some are before 1970.
positions = st.tuples(st.integers(-2, 2) | st.sampled_from([-(10**15), 1_795_519_672_961_996]), st.integers(1, 4))
events = st.lists(st.tuples(positions, st.sets(st.sampled_from(FIELDS))), min_size=1, max_size=6)


def folded(facts):
    """The fragment of some events, each given by its position and its fields."""
    fragment = {}
    for (at, event_id), fields in facts:
        join(fragment, dict.fromkeys({SEEN, *fields}, (at, event_id)) | {FIRST: (-at, -event_id)})
    return fragment


@pytest.fixture(scope="module")
def joined(shared_database_url):
    """Merge two fragments in PostgreSQL."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:

        def joined(one, other):
            packed = [Jsonb(pack(one)), Jsonb(pack(other))]
            return connection.execute("SELECT outbox.merge_fragments(%s, %s)", packed).fetchone()[0]

        yield joined


def as_stored(fragment):
    return [list(group) for group in pack(fragment)]


@given(events)
def test_packing_a_fragment_loses_nothing(facts):
    assert unpack(pack(folded(facts))) == folded(facts)


@given(events, st.randoms(use_true_random=False))
def test_a_fragment_is_stored_the_same_in_whatever_order_it_was_folded(facts, rng):
    assert pack(folded(rng.sample(facts, len(facts)))) == pack(folded(facts))


@given(events)
def test_a_fragment_begins_with_its_last_event_and_ends_with_its_first(facts):
    last, *_, first = pack(folded(facts))
    assert SEEN in last[2].split()
    assert first == (*(-number for number in min(at for at, _ in facts)), FIRST)


@settings(deadline=None)
@given(events, events)
def test_postgresql_merges_two_fragments_as_python_does(joined, one, other):
    both = as_stored(folded([*one, *other]))
    assert joined(folded(one), folded(other)) == both
    assert joined(folded(other), folded(one)) == both


@settings(deadline=None)
@given(events, events)
def test_the_first_position_is_merged_into_a_newly_folded_fragment(joined, gone, facts):
    """As rebuild does with a fragment whose first event is no longer in the log."""
    first = {FIRST: folded(gone)[FIRST]}
    anew = folded(facts)
    expected = anew | {FIRST: max(first[FIRST], anew[FIRST])}
    assert joined(first, anew) == as_stored(expected)
