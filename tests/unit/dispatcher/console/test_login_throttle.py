"""Guessing costs ever more time, a mistyped token none."""

from __future__ import annotations

from dispatcher.console.login_throttle import FORGOTTEN_SECONDS, FREE, LONGEST_SECONDS, MOST_PEERS, LoginThrottle


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


def test_a_few_cost_nothing_and_each_further_one_twice_as_much():
    time = Time()
    wrong = LoginThrottle(time)
    waits = []
    for _ in range(FREE + 9):
        time.now += wrong.wait("a")
        wrong.note("a")
        waits.append(wrong.wait("a"))
    assert waits[: FREE - 1] == [0.0] * (FREE - 1)
    assert waits[FREE - 1 :] == [1, 2, 4, 8, 16, 32, *[LONGEST_SECONDS] * 4]
    assert wrong.wait("b") == 0.0


def test_who_was_right_or_long_away_begins_anew():
    time = Time()
    wrong = LoginThrottle(time)
    for _ in range(FREE):
        wrong.note("a")
    wrong.forget("a")
    assert wrong.wait("a") == 0.0
    for _ in range(FREE):
        wrong.note("a")
    time.now += FORGOTTEN_SECONDS + 1
    wrong.note("a")
    assert wrong.wait("a") == 0.0


def test_no_more_peers_are_remembered_than_fit():
    wrong = LoginThrottle(Time())
    for number in range(MOST_PEERS + 10):
        wrong.note(str(number))
    assert len(wrong._peers) == MOST_PEERS
