"""The chart of the last hour stays within its frame and describes what it shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.console.chart import HEIGHT, LEAST, UP, WIDTH, chart
from dispatcher.console.status import DeliveryCount, Minute, by_minute
from tests.support.examples import NOW

COUNTS = st.lists(
    st.tuples(*[st.one_of(st.just(0), st.integers(0, 10**9))] * 3).map(lambda counts: Minute(NOW, *counts)),
    min_size=60,
    max_size=60,
)


@given(COUNTS)
def test_every_bar_is_within_the_frame_and_visible(minutes):
    drawn = chart(minutes, "Meta")
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert bar.height >= LEAST
        assert bar.y >= -0.1
        assert bar.y + bar.height <= (UP if bar.kind == "delivered" else HEIGHT + 2 * LEAST + 1.1)
    assert len(drawn.bars) == sum(bool(m.delivered) + bool(m.failed) + bool(m.failed_attempts) for m in minutes)


def test_it_describes_what_it_shows():
    minutes = by_minute([], NOW)
    minutes[3].delivered, minutes[4].failed, minutes[5].failed_attempts = 1200, 2, 3
    drawn = chart(minutes, "GA4")
    assert drawn.says == (
        "GA4 in the last 60 minutes: 1,200 delivered, 1,200 at most in a minute; 2 failed; 3 failed attempts."
    )
    assert [row.at for row in drawn.rows] == [minutes[5].at, minutes[4].at, minutes[3].at]


@pytest.mark.parametrize("seconds", [0, 1, 59])
def test_the_current_minute_is_the_last_of_sixty(seconds):
    now = NOW + timedelta(seconds=seconds)
    rows = [DeliveryCount(NOW - timedelta(minutes=back), 1, "delivered", 1, 0.0, 0.0) for back in range(70)]
    assert [minute.delivered for minute in by_minute(rows, now)] == [1] * 60
