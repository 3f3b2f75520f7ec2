"""`[schedule]` and `[alerts]`: what is done by the clock, and when somebody is alerted."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from dispatcher.config.models import Alerts, Schedule
from dispatcher.config.toml_tables import AlertsTable, FileTable, Problems, ScheduleTable

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
LONGEST_BACKLOG = 7 * 24 * 60  # no destination takes an event that is older


def read(table: FileTable, problems: Problems) -> Schedule:
    """Give when things are done by the clock; without `defaults`, no date of expiry but the file's own is known."""
    told = problems.typed(("schedule",), table.schedule, ScheduleTable) or ScheduleTable()
    at = _TIME.fullmatch(told.report_at)
    if at is None:
        problems.add(("schedule", "report_at"), 'expected hours and minutes, such as "12:30"')
    if not _is_zone(told.zone):
        problems.add(("schedule", "zone"), 'expected a time zone, such as "Europe/Nicosia" or "UTC"')
    expires = Schedule().token_expires if table.defaults else None
    if told.token_expires is not None:
        expires = _date(told.token_expires)
        if expires is None:
            problems.add(("schedule", "token_expires"), "expected a date, such as 2027-05-24")
    return Schedule(
        report_at=time(int(at[1]), int(at[2])) if at else Schedule().report_at, zone=told.zone, token_expires=expires
    )


def read_alerts(table: FileTable, problems: Problems) -> Alerts:
    """Give when somebody is alerted."""
    told = problems.typed(("alerts",), table.alerts, AlertsTable) or AlertsTable()
    if not 1 <= told.backlog_minutes <= LONGEST_BACKLOG:
        problems.add(("alerts", "backlog_minutes"), f"expected a whole number of minutes from 1 to {LONGEST_BACKLOG}")
    return Alerts(backlog_minutes=told.backlog_minutes)


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (OSError, ValueError, LookupError):  # a folder of the time zone database, a path out of it, nothing in it
        return False


def _date(value: Any) -> date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
