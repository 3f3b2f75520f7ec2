"""Which alerts hold, and when they are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from dispatcher.config import Account, Alerts, Config, Schedule
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from dispatcher.monitoring.alerts import KINDS, QueueHealth, holding
from dispatcher.monitoring.alerts.conditions import CALM_SECONDS, QUIET, SAME, all_clear

TODAY = date(2026, 11, 24)
CONFIG = Config(schedule=Schedule(token_expires=None))


def fact(**fields):
    defaults = {
        "id": 1,
        "name": "meta",
        "state": "running",
        "reason": None,
        "calm_seconds": 3600.0,
        "age_seconds": 1.0,
        "paused_seconds": None,
    }
    return QueueHealth(**(defaults | fields))


def held(*facts, active=(), config=CONFIG, version="v99.0", today=TODAY):
    deadlines = registry.deadlines(Settings().changed("meta", api_version=version), config)
    return holding(facts, active, config, deadlines, today)


def test_nothing_is_wrong():
    assert held(fact(), fact(id=0, name="intake"), fact(id=2, name="ga4", age_seconds=None)) == {}


def test_a_halted_destination_raises_an_alert_with_what_to_do():
    ((alert, message),) = held(fact(state="halted", reason="access token invalid or expired")).items()
    assert alert == ("halted", "meta")
    assert "meta is halted: access token invalid or expired" in message
    assert "META_CAPI_TOKEN" in message


def test_the_variable_is_the_destination_s_own():
    config = Config(accounts=(Account(name="dealers", kind="meta", variables={"token": "META_DEALERS_TOKEN"}),))
    (message,) = held(fact(name="dealers", state="halted", reason="permission missing"), config=config).values()
    assert "META_DEALERS_TOKEN" in message


def test_an_unknown_reason_points_to_the_doctor():
    (message,) = held(fact(state="halted", reason="something new")).values()
    assert "outbox doctor" in message


def test_it_is_over_only_when_it_has_not_been_halted_for_a_while():
    active = {("halted", "meta")}
    assert set(held(fact(calm_seconds=CALM_SECONDS - 1), active=active)) == active
    assert held(fact(calm_seconds=CALM_SECONDS), active=active) == {}
    assert held(fact(calm_seconds=1.0)) == {}  # what was never halted needs no calm


def test_while_no_dispatcher_reports_no_alert_ends():
    active = {("halted", "meta")}
    assert set(held(fact(state=None, calm_seconds=None), active=active)) == active


def test_a_backlog_alert_ends_only_below_half_of_the_limit():
    ((alert, message),) = held(fact(age_seconds=1801.0)).items()
    assert alert == ("backlog", "meta")
    assert "30 minutes" in message
    assert held(fact(age_seconds=1799.0)) == {}
    active = {("backlog", "meta")}
    assert set(held(fact(age_seconds=1000.0), active=active)) == active
    assert held(fact(age_seconds=900.0), active=active) == {}
    assert held(fact(age_seconds=None), active=active) == {}


def test_the_limit_is_the_configuration_s():
    config = replace(CONFIG, alerts=Alerts(backlog_minutes=5))
    assert ("backlog", "intake") in held(fact(id=0, name="intake", age_seconds=301.0), config=config)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"state": "paused"}, "it is paused"),
        ({"state": "failing", "reason": "timeout"}, "it is failing (timeout)"),
        ({"state": None}, "not served by any dispatcher"),
    ],
)
def test_a_backlog_says_why(fields, says):
    (message,) = held(fact(age_seconds=7200.0, **fields)).values()
    assert says in message


def test_one_cause_is_one_alert():
    assert set(held(fact(state="halted", reason="x", age_seconds=1e6))) == {("halted", "meta")}
    assert set(held(fact(age_seconds=1e6, calm_seconds=1.0), active={("halted", "meta")})) == {("halted", "meta")}


def test_what_is_behind_when_it_halts_has_not_caught_up():
    active = {("backlog", "meta")}
    halted = fact(state="halted", reason="permission missing", age_seconds=7200.0)
    assert set(held(halted, active=active)) == {("halted", "meta"), ("backlog", "meta")}
    assert held(halted, active=active)["backlog", "meta"].endswith("it is halted (permission missing).")
    # Nothing old is pending any more, but nothing was delivered either.
    assert held(fact(state="halted", reason="x", age_seconds=1.0), active=active)["backlog", "meta"] == SAME
    in_doubt = fact(calm_seconds=1.0, age_seconds=None)
    assert held(in_doubt, active={*active, ("halted", "meta")}) == {("halted", "meta"): SAME, ("backlog", "meta"): SAME}


def test_a_paused_step_is_the_cause_and_not_the_dispatchers():
    ((alert, message),) = held(fact(paused_seconds=36_000.0)).items()
    assert alert == ("backlog", "meta")
    assert "A step is paused at meta" in message
    assert "600 minutes" in message
    assert "is behind" not in message
    (message,) = held(fact(age_seconds=7200.0, paused_seconds=36_000.0)).values()
    assert "meta is behind: the oldest delivery has been pending for 120 minutes; it is running" in message
    active = {("backlog", "meta")}
    assert set(held(fact(paused_seconds=1000.0), active=active)) == active
    assert held(fact(paused_seconds=900.0), active=active) == {}


def test_a_disabled_destination_raises_no_alert():
    assert held(fact(state="disabled", age_seconds=1e6), active={("halted", "meta")}) == {}


@pytest.mark.parametrize(
    ("left", "subject"),
    [(31, None), (30, 30), (15, 30), (14, 14), (7, 7), (2, 3), (1, 1), (0, 0), (-100, 0)],
)
def test_reminders_of_the_token_s_expiry_come_in_time_and_more_often(left, subject):
    expires = TODAY + timedelta(days=left)
    found = held(config=Config(schedule=Schedule(token_expires=expires)))
    assert set(found) == (set() if subject is None else {("token", f"{expires}, {subject}")})


def test_a_reminder_says_when():
    config = Config(schedule=Schedule(token_expires=TODAY + timedelta(days=1)))
    assert "ends on 2026-11-25, in 1 day: renew META_CAPI_TOKEN" in next(iter(held(config=config).values()))
    config = Config(schedule=Schedule(token_expires=TODAY))
    assert "ended on 2026-11-24" in next(iter(held(config=config).values()))


def test_the_end_of_the_api_version_in_use_sends_reminders():
    assert set(held(version="v21.0", today=date(2027, 1, 20))) == {("version", "v21.0, 1")}
    assert set(held(version="v12.0")) == {("version", "v12.0, 0")}
    assert held(version="v25.0") == held(version="v99.0") == {}


def test_each_kind_has_an_all_clear_text():
    assert set(QUIET) < set(KINDS)
    assert [all_clear(kind, "meta", "x") for kind in KINDS if kind not in QUIET] == [
        "meta is no longer halted.",
        "meta has caught up.",
    ]


def test_nothing_of_a_kind_ends_where_there_is_no_destination_of_it():
    config = Config(accounts=(Account(name="ga4", kind="ga4"),), schedule=Schedule(token_expires=TODAY))
    assert held(config=config, version="v12.0") == {}
