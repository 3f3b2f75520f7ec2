from __future__ import annotations

from datetime import timedelta

from dispatcher.delivery.retry_policy import FIRST, LAST_CALL, LONGEST, backoff, next_try
from tests.support.examples import NOW


def test_pauses_double_up_to_the_longest():
    pauses = [backoff(tries, 0.5) for tries in range(1, 40)]
    assert pauses[:4] == [FIRST, FIRST * 2, FIRST * 4, FIRST * 8]
    assert max(pauses) == pauses[-1] == LONGEST
    assert pauses == sorted(pauses)


def test_jitter_spreads_a_pause_by_half_either_way():
    assert backoff(3, 0.0) == backoff(3, 0.5) * 0.5
    assert backoff(3, 0.999) < backoff(3, 0.5) * 1.5


def test_the_last_try_is_made_before_the_window_closes_and_not_again():
    closes = NOW + timedelta(minutes=30)
    assert next_try(NOW, timedelta(minutes=5), closes) == NOW + timedelta(minutes=5)
    last = next_try(NOW, timedelta(hours=1), closes)
    assert last == closes - LAST_CALL
    assert next_try(last, timedelta(hours=1), closes) > closes
