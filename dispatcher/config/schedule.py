"""`[schedule]` and `[alerts]`: when scheduled messages go out, and when a backlog raises an alert."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from dispatcher.config.models import Alerts, Schedule
from dispatcher.config.toml_tables import AlertsTable, FileTable, Problems, ScheduleTable

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
LONGEST_BACKLOG = 7 * 24 * 60  # no destination accepts an older event


def read(table: FileTable, problems: Problems) -> Schedule:
    """Return the schedule; without `defaults`, only the file can set the date on which the token expires."""
    stated = problems.typed(("schedule",), table.schedule, ScheduleTable) or ScheduleTable()
    at = _TIME.fullmatch(stated.report_at)
    if at is None:
        problems.add(("schedule", "report_at"), 'expected hours and minutes, such as "12:30"')
    if not _is_zone(stated.zone):
        problems.add(("schedule", "zone"), 'expected a time zone, such as "Europe/Nicosia" or "UTC"')
    expires = Schedule().token_expires if table.defaults else None
    if stated.token_expires is not None:
        expires = _date(stated.token_expires)
        if expires is None:
            problems.add(("schedule", "token_expires"), "expected a date, such as 2027-05-24")
    return Schedule(
        report_at=time(int(at[1]), int(at[2])) if at else Schedule().report_at, zone=stated.zone, token_expires=expires
    )


def read_alerts(table: FileTable, problems: Problems) -> Alerts:
    """Return when a backlog raises an alert."""
    stated = problems.typed(("alerts",), table.alerts, AlertsTable) or AlertsTable()
    if not 1 <= stated.backlog_minutes <= LONGEST_BACKLOG:
        problems.add(("alerts", "backlog_minutes"), f"expected a whole number of minutes from 1 to {LONGEST_BACKLOG}")
    return Alerts(backlog_minutes=stated.backlog_minutes)


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (OSError, ValueError, LookupError):  # a folder of the time zone database, a path outside it, an unknown name
        return False


def _date(value: Any) -> date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
