"""How times, numbers and names are written on the pages. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

NOTHING = "–"  # noqa: RUF001 - the en dash of an empty cell


def step(name: str) -> str:
    """Return the name of a step with spaces: `lead_submitted` is `lead submitted`."""
    return name.replace("_", " ")


def count(number: int) -> str:
    """Return a number with thousands separators."""
    return f"{number:,}"


def span(seconds: float | None) -> str:
    """Return a duration in its largest unit or two: `0.4 s`, `12 min`, `3 h 20 min`, `6 days`."""
    if seconds is None:
        return NOTHING
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 10:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    if hours < 48:
        return f"{hours} h"
    return f"{round(seconds / 86400)} days"


def clock(at: datetime | None, now: datetime | None = None) -> str:
    """Return the time of day (UTC), with the date unless it is the date of `now`."""
    if at is None:
        return NOTHING
    at = at.astimezone(UTC)
    is_today = now is None or at.date() == now.astimezone(UTC).date()
    return f"{at:%H:%M} UTC" if is_today else f"{day(at)}, {at:%H:%M} UTC"


def moment(at: datetime | None) -> str:
    """Return date and time (UTC), to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else NOTHING


def day(at: date) -> str:
    """Return a day: `24 Nov`."""
    return f"{at.day} {at:%b}"


def share(part: int, whole: int) -> str:
    """Return a part of a whole in percent. Nearly all is never rounded to 100 %, nor nearly none to 0 %."""
    if not whole:
        return NOTHING
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<1 %"
    if 99 < percent < 100:
        return ">99 %"
    return f"{percent:.0f} %"
