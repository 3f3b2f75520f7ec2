"""How times, numbers and names are said on the pages. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

NOTHING = "–"  # noqa: RUF001 - a dash, as people write it
LABELS = {"meta": "Meta", "ga4": "GA4"}


def label(destination: str) -> str:
    """Give the name of a destination as people write it."""
    return LABELS.get(destination, destination)


def step(name: str) -> str:
    """Give the name of a step as words: `lead_submitted` is `lead submitted`."""
    return name.replace("_", " ")


def count(number: int) -> str:
    """Give a number with its thousands set apart."""
    return f"{number:,}"


def span(seconds: float | None) -> str:
    """Give a length of time in its largest unit, or two: `0.4 s`, `12 min`, `3 h 20 min`, `6 days`."""
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
    """Give the time of day (UTC); with the day, where that is not the day of `now`."""
    if at is None:
        return NOTHING
    at = at.astimezone(UTC)
    is_today = now is None or at.date() == now.astimezone(UTC).date()
    return f"{at:%H:%M} UTC" if is_today else f"{day(at)}, {at:%H:%M} UTC"


def moment(at: datetime | None) -> str:
    """Give day and time (UTC), to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else NOTHING


def day(at: date) -> str:
    """Give a day: `24 Nov`."""
    return f"{at.day} {at:%b}"


def share(part: int, whole: int) -> str:
    """Give a part of a whole in percent; what is nearly all is not called all, nor what is nearly none, none."""
    if not whole:
        return NOTHING
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<1 %"
    if 99 < percent < 100:
        return ">99 %"
    return f"{percent:.0f} %"
