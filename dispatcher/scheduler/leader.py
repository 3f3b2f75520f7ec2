"""What is done by the clock, by one dispatcher of all: the jobs in `JOBS`, run by APScheduler while this one is elected.

             ┌───────── term over, and not renewed in time (killed, frozen, cut off) ◀─┐
             ▼                                                                          │
    one of the dispatchers ──▶ elected for a term ──▶ renews it at every third ─────────┤
             ▲                                                                          │
             └───────── stops, and resigns ◀────────────────────────────────────────────┘

The election is a row with a time, by the database's clock, as a lease is: it needs no connection of its own, works
behind a pooler, and ends by itself whatever became of its holder. Two may believe to be elected for a moment; so every
job is such that running twice does no harm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database
from dispatcher.maintenance import retention
from dispatcher.monitoring.alerts import Watch
from dispatcher.scheduler import daily_reports
from dispatcher.telemetry.tracing import span

log = structlog.get_logger()

OFFICE = "schedule"
LATE = timedelta(hours=1)
"""A job that could not start in time still starts within this time; several missed starts are one."""
WATCH_SECONDS = 10
"""How often it is looked whether somebody must be alerted."""
MINUTES_KEPT = timedelta(days=35)
DAYS_KEPT = 400
"""How long tallies are kept: by the minute for a month, by the day for a year."""


class Work(msgspec.Struct, frozen=True):
    """What a job works with."""

    database: Database
    settings: Settings
    config: Config
    watch: Watch


class Job(msgspec.Struct, frozen=True):
    """Something to be done by the clock. `run` must bear to be cut off, and to be run twice.

    `catches_up`: if its time came while nobody was elected, it is run within `LATE`.
    """

    name: str
    trigger: Callable[[Config], BaseTrigger]
    run: Callable[[Work], Awaitable[Any]]
    catches_up: bool = False


async def _watch(work: Work) -> None:
    await work.watch.check()


async def _sweep(work: Work) -> None:
    await retention.sweep(work.database, work.settings)


async def _sweep_counts(work: Work) -> None:
    await work.database.run("remove_counts", {"minutes": MINUTES_KEPT, "days": DAYS_KEPT})


async def _report(work: Work) -> None:
    text = await daily_reports.quality_report(work.database, work.settings, work.config)
    await work.watch.say(f"report of {_today(work.config)}", text)


async def _dead_letters(work: Work) -> None:
    if text := await daily_reports.dead_letters(work.database):
        await work.watch.say(f"dead letters of {_today(work.config)}", text)


def _today(config: Config) -> str:
    return str(datetime.now(ZoneInfo(config.schedule.zone)).date())


def _daily(config: Config) -> BaseTrigger:
    at = config.schedule.report_at
    return CronTrigger(hour=at.hour, minute=at.minute, timezone=ZoneInfo(config.schedule.zone))


JOBS = (
    Job("alerts", lambda _: IntervalTrigger(seconds=WATCH_SECONDS, timezone=UTC), _watch),
    Job("retention", lambda _: CronTrigger(hour="*/6", minute=17, timezone=UTC), _sweep),
    Job("tallies", lambda _: CronTrigger(minute=7, timezone=UTC), _sweep_counts),
    Job("report", _daily, _report, catches_up=True),
    Job("dead letters", _daily, _dead_letters, catches_up=True),
)


class Schedule:
    """One dispatcher's part in the election, and the scheduler while it is elected.

    `term`: how long it is elected for; a dispatcher that was silent for so long counts as gone.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        config: Config | None = None,
        *,
        holder: str,
        term: timedelta,
    ) -> None:
        config = config or Config()
        self.term = term
        self._database = database
        self._work = Work(database, settings, config, Watch(database, settings, config, fresh=term))
        self._me = {"role": OFFICE, "holder": holder}
        self._scheduler: AsyncIOScheduler | None = None

    async def step(self) -> bool:
        """Stand for election, or renew the term; start or stop the jobs accordingly."""
        is_elected = bool(await self._database.run("elect_leader", self._me | {"term": self.term}))
        if is_elected and self._scheduler is None:
            log.info("elected: this dispatcher runs the schedule", jobs=[job.name for job in JOBS])
            self._start()
        elif not is_elected and self._scheduler is not None:
            log.warning("no longer elected")
            self._stop()
        return False

    async def close(self) -> None:
        """Stop the jobs and resign, so that another is elected at once; safe to repeat."""
        if self._scheduler is not None:
            self._stop()
            if self._database.reachable:  # else the term ends by itself
                with contextlib.suppress(*DATABASE_UNAVAILABLE):
                    await self._database.run_once("resign_leader", self._me)

    def _start(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": int(LATE.total_seconds())},
        )
        now = datetime.now(UTC)
        for job in JOBS:
            trigger = job.trigger(self._work.config)
            since = now - LATE if job.catches_up else now
            first = trigger.get_next_fire_time(None, since)
            self._scheduler.add_job(self._run, trigger, args=[job], id=job.name, next_run_time=first)
        self._scheduler.start()

    def _stop(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def _run(self, job: Job) -> None:
        try:
            with span("job", job=job.name):
                await job.run(self._work)
        except Exception as error:  # noqa: BLE001 - told by kind: its text may quote a person's data
            log.error("a job failed, it runs again at its next time", job=job.name, error=type(error).__name__)
