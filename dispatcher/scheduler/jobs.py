"""The scheduled jobs: what each does, and when. `dispatcher.scheduler.leader` runs them on one dispatcher at a time.

To add a job: a function that takes the `Context`, and an entry in `JOBS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.maintenance import retention
from dispatcher.monitoring.alerts import Watch
from dispatcher.scheduler import daily_reports

ALERT_SECONDS = 10
"""How often the alerts are checked."""
MINUTES_KEPT = timedelta(days=35)
DAYS_KEPT = 400
"""How long counts are kept: by the minute for a month, by the day for a year."""


class Context(msgspec.Struct, frozen=True):
    """What a job works with."""

    database: Database
    settings: Settings
    config: Config
    watch: Watch


class Job(msgspec.Struct, frozen=True):
    """A scheduled job. `run` must tolerate being interrupted, and being run twice.

    `catches_up`: if its time came while there was no leader, it still runs within `dispatcher.scheduler.leader.LATE`.
    """

    name: str
    trigger: Callable[[Config], BaseTrigger]
    run: Callable[[Context], Awaitable[Any]]
    catches_up: bool = False


async def _check_alerts(context: Context) -> None:
    await context.watch.check()


async def _remove_old_events(context: Context) -> None:
    await retention.sweep(context.database, context.settings)


async def _remove_old_counts(context: Context) -> None:
    await context.database.run("remove_counts", {"minutes": MINUTES_KEPT, "days": DAYS_KEPT})


async def _send_report(context: Context) -> None:
    text = await daily_reports.quality_report(context.database, context.settings, context.config)
    await context.watch.send_message(f"report of {_today(context.config)}", text)


async def _send_dead_letters(context: Context) -> None:
    if text := await daily_reports.dead_letters(context.database):
        await context.watch.send_message(f"dead letters of {_today(context.config)}", text)


def _today(config: Config) -> str:
    return str(datetime.now(ZoneInfo(config.schedule.zone)).date())


def _daily(config: Config) -> BaseTrigger:
    at = config.schedule.report_at
    return CronTrigger(hour=at.hour, minute=at.minute, timezone=ZoneInfo(config.schedule.zone))


JOBS = (
    Job("alerts", lambda _: IntervalTrigger(seconds=ALERT_SECONDS, timezone=UTC), _check_alerts),
    Job("retention", lambda _: CronTrigger(hour="*/6", minute=17, timezone=UTC), _remove_old_events),
    Job("counts", lambda _: CronTrigger(minute=7, timezone=UTC), _remove_old_counts),
    Job("report", _daily, _send_report, catches_up=True),
    Job("dead letters", _daily, _send_dead_letters, catches_up=True),
)
