"""Guessing takes longer and longer; a mistyped token costs nothing."""

from __future__ import annotations

from dispatcher.console.login_throttle import FORGOTTEN_SECONDS, FREE, LONGEST_SECONDS, MAX_PEERS, LoginThrottle


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


def test_a_few_wrong_tokens_cost_nothing_and_each_further_one_doubles_the_wait():
    time = Time()
    throttle = LoginThrottle(time)
    waits = []
    for _ in range(FREE + 9):
        time.now += throttle.wait("a")
        throttle.record("a")
        waits.append(throttle.wait("a"))
    assert waits[: FREE - 1] == [0.0] * (FREE - 1)
    assert waits[FREE - 1 :] == [1, 2, 4, 8, 16, 32, *[LONGEST_SECONDS] * 4]
    assert throttle.wait("b") == 0.0


def test_a_right_token_or_a_long_time_resets_the_wait():
    time = Time()
    throttle = LoginThrottle(time)
    for _ in range(FREE):
        throttle.record("a")
    throttle.forget("a")
    assert throttle.wait("a") == 0.0
    for _ in range(FREE):
        throttle.record("a")
    time.now += FORGOTTEN_SECONDS + 1
    throttle.record("a")
    assert throttle.wait("a") == 0.0


def test_the_number_of_remembered_peers_is_bounded():
    throttle = LoginThrottle(Time())
    for number in range(MAX_PEERS + 10):
        throttle.record(str(number))
    assert len(throttle._peers) == MAX_PEERS
