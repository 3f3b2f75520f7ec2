"""`[schedule]` and `[alerts]` of outbox.toml: what they may contain, and that a mistake is reported with its line."""

from __future__ import annotations

import textwrap
from datetime import date, time

import pytest

from dispatcher.config import Alerts, Config, ConfigError, Schedule, load
from tests.support.paths import ROOT

EXAMPLE = ROOT / "outbox.example.toml"


@pytest.fixture
def read(tmp_path):
    """Read a configuration from its text."""

    def read(text):
        path = tmp_path / "outbox.toml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load(path, {})

    return read


def test_without_a_file_it_is_the_owner_s_and_the_example_says_the_same():
    assert Config().schedule == Schedule(report_at=time(12, 30), zone="Europe/Nicosia", token_expires=date(2027, 5, 24))
    example = load(EXAMPLE, {})
    assert (example.schedule, example.alerts) == (Config().schedule, Config().alerts)


@pytest.mark.parametrize("day", ["2028-01-31", '"2028-01-31"'])
def test_what_the_file_says(read, day):
    config = read(f"""
        [schedule]
        report_at = "07:05"
        zone = "UTC"
        token_expires = {day}
        [alerts]
        backlog_minutes = 5
        """)
    assert config.schedule == Schedule(report_at=time(7, 5), zone="UTC", token_expires=date(2028, 1, 31))
    assert config.alerts == Alerts(backlog_minutes=5)


def test_another_company_s_token_has_no_date_but_the_one_it_says(read):
    assert read("defaults = false\n[steps.won]\n").schedule.token_expires is None
    assert read('[schedule]\nzone = "UTC"\n').schedule.token_expires == date(2027, 5, 24)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[schedule]\nreport_at = "25:00"', 'line 2, schedule.report_at: expected hours and minutes, such as "12:30"'),
        ('[schedule]\nreport_at = "7:05"', "line 2, schedule.report_at: expected hours and minutes"),
        ("[schedule]\nreport_at = 12:30:00", "line 2, schedule.report_at: expected a text"),
        ('[schedule]\n\nzone = "Europe"', "line 3, schedule.zone: expected a time zone"),
        ('[schedule]\nzone = "../passwd"', "line 2, schedule.zone: expected a time zone"),
        ('[schedule]\nzone = ""', "line 2, schedule.zone: expected a time zone"),
        ('[schedule]\ntoken_expires = "soon"', "line 2, schedule.token_expires: expected a date, such as 2027-05-24"),
        ("[schedule]\ntoken_expires = 2027-05-24T10:00:00Z", "line 2, schedule.token_expires: expected a date"),
        ("[schedule]\nreport_at_noon = true", "line 2, schedule.report_at_noon: unknown; did you mean report_at?"),
        ("[alerts]\nbacklog_minutes = 0", "line 2, alerts.backlog_minutes: expected a whole number of minutes"),
        ("[alerts]\nbacklog_minutes = 20000", "line 2, alerts.backlog_minutes: expected a whole number of minutes"),
        ('[alerts]\nbacklog_minutes = "30"', "line 2, alerts.backlog_minutes: expected a whole number"),
        ("[alert]\nbacklog_minutes = 30", "line 1, alert: unknown; did you mean alerts?"),
    ],
)
def test_a_mistake_is_reported_with_its_line(read, text, says):
    with pytest.raises(ConfigError) as error:
        read(text)
    assert says in str(error.value)
