"""What a batch was lost over comes back in parts; what cannot be the events' doing makes nobody give up."""

from __future__ import annotations

import psycopg
import pytest

from dispatcher.quarantine import GIVEN_UP, PARTS, RUN, RUN_SECONDS, Judge, is_events_doing, part


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_ordinary_rows_come_in_full_batches():
    assert part(0, 1000) == 1000
    assert part(0, 1) == 1


@pytest.mark.parametrize(("losses", "rows"), [(1, 125), (2, 16), (3, 2), (4, 1), (5, 1), (100, 1)])
def test_the_more_losses_the_smaller_the_part(losses, rows):
    assert part(losses, 1000) == rows
    assert part(losses, 1) == 1  # never more than may be asked for


def test_the_culprit_has_been_alone_before_it_is_given_up():
    assert PARTS[-1] == 1
    assert part(GIVEN_UP - 1, 1000) == 1


def test_a_thousand_rows_cost_few_losses_until_the_culprit_is_alone():
    rows, lost = 1000, 0
    while rows > 1:
        lost += 1
        rows = part(lost, rows)
    assert lost == len(PARTS)


@pytest.mark.parametrize(
    ("error", "is_theirs"),
    [
        (RuntimeError(), True),
        (MemoryError(), True),
        (RecursionError(), True),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), True),
        (psycopg.errors.InvalidTextRepresentation(), True),
        (psycopg.errors.UndefinedTable(), False),
        (psycopg.errors.InsufficientPrivilege(), False),
        (psycopg.ProgrammingError(), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_whose_doing_an_error_is(error, is_theirs):
    assert is_events_doing(error) == is_theirs


def test_a_run_without_any_success_holds():
    clock = Clock()
    judge = Judge(clock)
    assert [judge.may_give_up() for _ in range(RUN + 2)] == [True] * RUN + [False] * 2
    clock.now += RUN_SECONDS - 1
    assert not judge.may_give_up()


def test_it_goes_on_after_a_while_as_far_as_the_next_run():
    clock = Clock()
    judge = Judge(clock)
    for _ in range(3):
        assert [judge.may_give_up() for _ in range(RUN + 1)] == [True] * RUN + [False]
        clock.now += RUN_SECONDS


def test_a_success_resets():
    judge = Judge(Clock())
    for _ in range(10):
        assert [judge.may_give_up() for _ in range(RUN)] == [True] * RUN
        judge.succeeded()
    assert judge.may_give_up()
