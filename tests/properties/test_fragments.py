"""What a facet knows: as PostgreSQL keeps it, the same as what was folded; and joined there, the same as joined here."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from dispatcher.identity.fragments import FIRST, SEEN, join, pack, unpack

FIELDS = ("ct", "em", "fbc", "fbp", "ga_client_id", "sha256_email_address", "zp")
# Few stamps, so that they meet, also in one of the two numbers alone; some of events before 1970.
stamps = st.tuples(st.integers(-2, 2) | st.sampled_from([-(10**15), 1_795_519_672_961_996]), st.integers(1, 4))
events = st.lists(st.tuples(stamps, st.sets(st.sampled_from(FIELDS))), min_size=1, max_size=6)


def folded(told):
    """The facet of some events, each given by its stamp and what it told."""
    fragment = {}
    for (at, event_id), fields in told:
        join(fragment, dict.fromkeys({SEEN, *fields}, (at, event_id)) | {FIRST: (-at, -event_id)})
    return fragment


@pytest.fixture(scope="module")
def joined(shared_database_url):
    """Join two facets as PostgreSQL does."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:

        def joined(one, other):
            asked = [Jsonb(pack(one)), Jsonb(pack(other))]
            return connection.execute("SELECT outbox.merge_fragments(%s, %s)", asked).fetchone()[0]

        yield joined


def as_kept(fragment):
    return [list(group) for group in pack(fragment)]


@given(events)
def test_a_facet_comes_back_as_it_was_folded(told):
    assert unpack(pack(folded(told))) == folded(told)


@given(events, st.randoms(use_true_random=False))
def test_equal_facets_are_kept_alike_in_whatever_order_they_were_folded(told, lots):
    assert pack(folded(lots.sample(told, len(told)))) == pack(folded(told))


@given(events)
def test_a_facet_begins_with_its_last_event_and_ends_with_its_first(told):
    last, *_, first = pack(folded(told))
    assert SEEN in last[2].split()
    assert first == (*(-number for number in min(at for at, _ in told)), FIRST)


@settings(deadline=None)
@given(events, events)
def test_postgresql_joins_two_facets_as_they_are_joined_here(joined, one, other):
    both = as_kept(folded([*one, *other]))
    assert joined(folded(one), folded(other)) == both
    assert joined(folded(other), folded(one)) == both


@settings(deadline=None)
@given(events, events)
def test_when_a_facet_began_is_joined_with_what_is_folded_anew(joined, gone, told):
    """As rebuild does with a facet whose first event the log does not hold any more."""
    began = {FIRST: folded(gone)[FIRST]}
    anew = folded(told)
    expected = anew | {FIRST: max(began[FIRST], anew[FIRST])}
    assert joined(began, anew) == as_kept(expected)
