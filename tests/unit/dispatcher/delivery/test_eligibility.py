from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.consent import consent_of
from dispatcher.delivery.eligibility import deadline, refuse
from dispatcher.destinations.ga4 import destination as ga4
from dispatcher.destinations.meta import destination as meta
from dispatcher.models import Route
from tests.support.examples import NOW, delivery

LEAD = Route("Lead")
PAIR = Route("Lead", browser_pair=True)


def reason(route, limits, at=NOW, **fields):
    refusal = refuse(delivery(**fields), route, limits, at)
    return refusal and f"{refusal.outcome}: {refusal.reason}"


def test_a_fresh_event_is_sent():
    assert reason(LEAD, meta.LIMITS) is None


def test_without_a_route_or_disabled_it_is_skipped():
    assert reason(None, meta.LIMITS) == "skipped: no route"
    assert reason(Route("Lead", enabled=False), meta.LIMITS) == "skipped: disabled"


@pytest.mark.parametrize(("limits", "window"), [(meta.LIMITS, timedelta(days=7)), (ga4.LIMITS, timedelta(hours=72))])
def test_an_event_older_than_the_destinations_window_is_not_sent(limits, window):
    inside, outside = NOW - window + timedelta(minutes=6), NOW - window
    assert reason(LEAD, limits, occurred_at=inside, recorded_at=inside) is None
    assert reason(LEAD, limits, occurred_at=outside, recorded_at=outside) == "failed: window closed"
    assert reason(LEAD, limits, occurred_at=outside, recorded_at=NOW) == "skipped: too old when recorded"


def test_after_an_unknown_outcome_meta_gets_no_repeat_it_would_count():
    unknown = {"first_unknown_at": NOW - timedelta(hours=47), "occurred_at": NOW - timedelta(hours=48)}
    unknown["recorded_at"] = unknown["occurred_at"]
    assert reason(LEAD, meta.LIMITS, **unknown) == "failed: window closed"
    assert reason(LEAD, meta.LIMITS, NOW - timedelta(seconds=1), **unknown) is None
    assert reason(LEAD, ga4.LIMITS, **unknown) is None


def test_the_browser_s_own_copy_counts_after_47_hours():
    old = {"occurred_at": NOW - timedelta(hours=47), "recorded_at": NOW - timedelta(hours=47)}
    assert reason(PAIR, meta.LIMITS, **old) == "skipped: sent by the browser"
    assert reason(PAIR, meta.LIMITS, NOW - timedelta(seconds=1), **old) is None
    assert reason(PAIR, meta.LIMITS, **old, details={"browser_pair": False}) is None
    assert reason(LEAD, meta.LIMITS, **old, details={"browser_pair": True}) == "skipped: sent by the browser"
    assert reason(PAIR, meta.LIMITS, **old, revision=1) == "skipped: sent by the browser"


def test_the_deadline_is_the_sooner_of_window_and_repeat():
    fresh = delivery(first_unknown_at=NOW)
    assert deadline(fresh, meta.LIMITS) == NOW + timedelta(hours=47)
    old = delivery(first_unknown_at=NOW, occurred_at=NOW - timedelta(days=6))
    assert deadline(old, meta.LIMITS) == NOW + timedelta(days=1) - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("stated", "default", "granted"),
    [
        ({}, "granted", "granted"),
        ({}, "denied", "denied"),
        ({"ad_user_data": "DENIED "}, "granted", "denied"),
        ({"ad_user_data": True}, "denied", "granted"),
        ({"ad_user_data": False}, "granted", "denied"),
        ({"ad_user_data": ["granted"]}, "granted", "denied"),
        ({"ad_user_data": None}, "granted", "denied"),
        ({"marketing": "granted"}, "granted", "denied"),
        ({"ad_storage": "denied"}, "granted", "granted"),
        ({"ad_user_data": "perhaps"}, "granted", "denied"),
    ],
)
def test_consent_is_what_is_stated_else_the_default_and_an_unknown_value_is_a_refusal(stated, default, granted):
    assert consent_of(stated, default)["ad_user_data"] == granted
