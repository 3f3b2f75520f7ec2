"""How times and numbers are said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dispatcher.console.formatting import clock, share, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),  # noqa: RUF001 - the dash of an empty cell
        (-1, "0.0 s"), (0.42, "0.4 s"), (9.96, "10 s"), (89, "89 s"), (91, "2 min"), (5399, "90 min"), (5400, "1 h 30 min"),
        (7200, "2 h"), (36_000, "10 h"), (47 * 3600, "47 h"), (6 * 86_400, "6 days"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_said_in_its_largest_units(seconds, said):
    assert span(seconds) in {said, said.replace("90 min", "1 h 30 min")}


def test_the_time_of_day_comes_with_its_day_where_that_is_not_today():
    at, now = datetime(2026, 11, 23, 23, 5, tzinfo=UTC), datetime(2026, 11, 24, 0, 1, tzinfo=UTC)
    assert clock(at, now) == "23 Nov, 23:05 UTC"
    assert clock(at, at) == clock(at) == "23:05 UTC"


def test_nearly_all_is_not_all_and_nearly_none_is_not_none():
    assert [share(part, 1000) for part in (0, 1, 500, 999, 1000)] == ["0 %", "<1 %", "50 %", ">99 %", "100 %"]
    assert share(0, 0) == "–"  # noqa: RUF001 - likewise
