"""What the doctor says of deliveries: who delivers, what waits, what died, how the last day went."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.delivery.dead_letters import Group
from dispatcher.destinations.registry import LIMITS
from dispatcher.doctor.deliveries import Count, CurrentState, Pending, check, check_day, check_dead
from dispatcher.models import Route
from dispatcher.routing import DestinationRoutes
from tests.support.examples import NOW

META = DestinationRoutes(1, "meta", "meta", True, False, {"lead_submitted": Route("Lead")})


def verdicts(found):
    return {finding.check: str(finding.verdict) for finding in found if finding.verdict != "ok"}


@pytest.mark.parametrize(
    ("changes", "pending", "dispatchers", "states", "found"),
    [
        ({}, {0: None, 1: 3.0}, 1, [], {}),
        ({}, {0: None, 1: None}, 0, [], {"dispatchers": "warn"}),
        ({}, {0: None, 1: 3.0}, 0, [], {"dispatchers": "bad"}),
        ({}, {0: 900.0, 1: None}, 1, [], {"intake": "bad"}),
        ({}, {0: None, 1: 900.0}, 1, [], {"meta": "warn"}),
        ({}, {0: None, 1: 5 * 86400.0}, 1, [], {"meta": "bad"}),
        ({}, {1: None}, 1, [CurrentState(1, "halted", "access token refused")], {"meta": "bad"}),
        ({}, {1: None}, 1, [CurrentState(1, "failing", "timeout")], {"meta": "warn"}),
        ({"paused": True}, {1: 900.0}, 1, [], {"meta": "warn"}),
        ({"enabled": False}, {1: None}, 1, [], {"meta": "warn"}),
        ({"routes": {"lead_submitted": Route("Lead", paused=True)}}, {1: None}, 1, [], {"meta": "warn"}),
        ({"routes": {"lead_submitted": Route("Lead", enabled=False)}}, {1: None}, 1, [], {"meta": "warn"}),
    ],
)
def test_whether_conversions_arrive_is_said(changes, pending, dispatchers, states, found):
    words = [msgspec.structs.replace(META, **changes)]
    assert verdicts(check(words, Pending(pending), states, dispatchers, LIMITS)) == found


@pytest.mark.parametrize("state", ["failing", "halted"])
def test_in_an_outage_it_is_said_before_the_window_closes(state):
    states = [CurrentState(1, state, "timeout")]
    said = [str(finding.says) for finding in check([META], Pending({1: 6 * 86400.0}), states, 1, LIMITS)]
    assert any("The window of the oldest closes in about 24 h" in says for says in said)
    assert not any("closes" in str(finding.says) for finding in check([META], Pending({1: 900.0}), states, 1, LIMITS))


def test_a_halted_destination_says_what_to_do():
    found = list(check([META], Pending({}), [CurrentState(1, "halted", "META_CAPI_TOKEN is not set")], 1, LIMITS))
    (halted,) = (finding for finding in found if finding.verdict == "bad")
    assert halted.do


def test_dead_letters_are_named_with_what_to_do_and_not_all_of_them():
    group = Group("meta", "lead_submitted", "missing value", None, None, 7, NOW, NOW, 1)
    (found,) = check_dead([group])
    assert "7 of lead_submitted at meta: missing value" in found.says
    assert "outbox.toml" in found.do
    assert len(list(check_dead([group] * 9))) == 6
    assert verdicts(check_dead([])) == {}


@pytest.mark.parametrize(
    ("outcome", "reason", "count", "is_said"),
    [
        ("skipped", "too old when recorded", 1, True),
        ("skipped", "no route", 900, False),
        ("skipped", "consent", 10, False),
        ("skipped", "consent", 2000, True),
        ("skipped", "sent by the browser", 100, True),
        ("failed", "window closed", 1, True),
        ("uncertain", "timeout", 1, False),
        ("uncertain", "timeout", 200, True),
    ],
)
def test_what_went_wrong_too_often_in_the_last_day_is_said(outcome, reason, count, is_said):
    counts = [Count("meta", "delivered", "", 1000), Count("meta", outcome, reason, count)]
    assert bool(verdicts(check_day(counts))) == is_said
