"""A claim holds about so many bytes, whatever the size of an event."""

from __future__ import annotations

import pytest

from dispatcher.byte_budget import CLAIM_BYTES, FIRST_ROWS, ByteBudget


def after(rows, size, most=1000):
    """The limit of the next claim after one of so many rows, `size` characters each, in texts of 100 rows."""
    budget = ByteBudget()
    texts = ["x" * (size * min(100, rows - first)) for first in range(0, rows, 100)]
    budget.claimed(rows, texts)
    return budget.limit(most)


def test_the_first_claim_is_a_small_one():
    assert ByteBudget().limit(1000) == FIRST_ROWS
    assert ByteBudget().limit(1) == 1


@pytest.mark.parametrize(
    ("rows", "size", "limit"), [(250, 500, 1000), (250, 64_000, 62), (10, 4_000, 1000), (1, 1, 1000)]
)
def test_the_next_claim_holds_about_as_many_bytes_as_one_may(rows, size, limit):
    assert after(rows, size) == limit


@pytest.mark.parametrize("size", [1, 1_000, 64_000, 1_000_000, CLAIM_BYTES + 1, 100_000_000])
def test_a_claim_has_at_least_one_row_and_never_more_than_may_be_asked_for(size):
    assert 1 <= after(2, size, most=7) <= 7


def test_small_events_after_large_ones_come_in_full_batches_again():
    budget = ByteBudget()
    budget.claimed(62, ["x" * 64_000] * 62)
    assert budget.limit(1000) == 62
    budget.claimed(62, ["x" * 500] * 62)
    assert budget.limit(1000) == 1000
