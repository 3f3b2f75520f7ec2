"""How times and numbers are written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dispatcher.console.formatting import clock, share, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),  # noqa: RUF001 - the dash of an empty cell
        (-1, "0.0 s"), (0.42, "0.4 s"), (9.96, "10 s"), (89, "89 s"), (91, "2 min"), (5399, "90 min"), (5400, "1 h 30 min"),
        (7200, "2 h"), (36_000, "10 h"), (47 * 3600, "47 h"), (6 * 86_400, "6 days"),
    ],
)  # fmt: skip
def test_a_duration_is_written_in_its_largest_units(seconds, text):
    assert span(seconds) in {text, text.replace("90 min", "1 h 30 min")}


def test_the_time_of_day_has_a_date_unless_it_is_today():
    at, now = datetime(2026, 11, 23, 23, 5, tzinfo=UTC), datetime(2026, 11, 24, 0, 1, tzinfo=UTC)
    assert clock(at, now) == "23 Nov, 23:05 UTC"
    assert clock(at, at) == clock(at) == "23:05 UTC"


def test_nearly_all_is_not_100_percent_and_nearly_none_is_not_0():
    assert [share(part, 1000) for part in (0, 1, 500, 999, 1000)] == ["0 %", "<1 %", "50 %", ">99 %", "100 %"]
    assert share(0, 0) == "–"  # noqa: RUF001 - likewise
