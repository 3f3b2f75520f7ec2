"""What the doctor reports about deliveries: dispatchers, pending deliveries, dead letters, the last day."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.delivery.dead_letters import Group
from dispatcher.destinations.registry import limits_of
from dispatcher.doctor.deliveries import Count, CurrentState, OldestPending, check, check_day, check_dead
from dispatcher.models import Route
from dispatcher.routing import DestinationRoutes
from tests.support.examples import NOW

META = DestinationRoutes(1, "meta", "meta", True, False, {"lead_submitted": Route("Lead")})


def severities(found):
    return {finding.check: str(finding.severity) for finding in found if finding.severity != "ok"}


@pytest.mark.parametrize(
    ("changes", "pending", "dispatchers", "states", "found"),
    [
        ({}, {0: None, 1: 3.0}, 1, [], {}),
        ({}, {0: None, 1: None}, 0, [], {"dispatchers": "warning"}),
        ({}, {0: None, 1: 3.0}, 0, [], {"dispatchers": "error"}),
        ({}, {0: 900.0, 1: None}, 1, [], {"intake": "error"}),
        ({}, {0: None, 1: 900.0}, 1, [], {"meta": "warning"}),
        ({}, {0: None, 1: 5 * 86400.0}, 1, [], {"meta": "error"}),
        ({}, {1: None}, 1, [CurrentState(1, "halted", "access token refused")], {"meta": "error"}),
        ({}, {1: None}, 1, [CurrentState(1, "failing", "timeout")], {"meta": "warning"}),
        ({"paused": True}, {1: 900.0}, 1, [], {"meta": "warning"}),
        ({"enabled": False}, {1: None}, 1, [], {"meta": "warning"}),
        ({"routes": {"lead_submitted": Route("Lead", paused=True)}}, {1: None}, 1, [], {"meta": "warning"}),
        ({"routes": {"lead_submitted": Route("Lead", enabled=False)}}, {1: None}, 1, [], {"meta": "warning"}),
    ],
)
def test_problems_with_delivery_are_reported(changes, pending, dispatchers, states, found):
    destinations = [msgspec.structs.replace(META, **changes)]
    assert severities(check(destinations, OldestPending(pending), states, dispatchers, limits_of)) == found


@pytest.mark.parametrize("state", ["failing", "halted"])
def test_in_an_outage_a_closing_window_is_reported(state):
    states = [CurrentState(1, state, "timeout")]
    found = [str(finding.says) for finding in check([META], OldestPending({1: 6 * 86400.0}), states, 1, limits_of)]
    assert any("Its window closes in about 24 h" in says for says in found)
    assert not any(
        "closes" in str(finding.says) for finding in check([META], OldestPending({1: 900.0}), states, 1, limits_of)
    )


def test_a_halted_destination_says_what_to_do():
    found = list(
        check([META], OldestPending({}), [CurrentState(1, "halted", "META_CAPI_TOKEN is not set")], 1, limits_of)
    )
    (halted,) = (finding for finding in found if finding.severity == "error")
    assert halted.do


def test_the_largest_groups_of_dead_letters_are_reported_with_what_to_do():
    group = Group("meta", "lead_submitted", "missing value", None, None, 7, NOW, NOW, 1)
    (found,) = check_dead([group])
    assert "7 of lead_submitted at meta: missing value" in found.says
    assert "outbox.toml" in found.do
    assert len(list(check_dead([group] * 9))) == 6
    assert severities(check_dead([])) == {}


@pytest.mark.parametrize(
    ("outcome", "reason", "count", "is_reported"),
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
def test_problems_that_were_frequent_in_the_last_day_are_reported(outcome, reason, count, is_reported):
    counts = [Count("meta", "delivered", "", 1000), Count("meta", outcome, reason, count)]
    assert bool(severities(check_day(counts))) == is_reported
