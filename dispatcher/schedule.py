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
from datetime import UTC, timedelta
from typing import Any

import msgspec
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from dispatcher import retention
from dispatcher.database import AWAY, Database
from schema.settings import Settings

log = structlog.get_logger()

OFFICE = "schedule"
LATE_SECONDS = 3600
"""A job that could not start in time still starts within this time; several missed starts are one."""


class Job(msgspec.Struct, frozen=True):
    """Something to be done by the clock (UTC). `run` must bear to be cut off, and to be run twice."""

    name: str
    trigger: BaseTrigger
    run: Callable[[Database, Settings], Awaitable[Any]]


JOBS = (Job("retention", CronTrigger(hour="*/6", minute=17, timezone=UTC), retention.sweep),)


class Schedule:
    """One dispatcher's part in the election, and the scheduler while it is elected."""

    def __init__(self, database: Database, settings: Settings, *, holder: str, term: timedelta) -> None:
        self._database = database
        self._settings = settings
        self._me = {"office": OFFICE, "holder": holder}
        self._term = term
        self._scheduler: AsyncIOScheduler | None = None

    async def step(self) -> bool:
        """Stand for election, or renew the term; start or stop the jobs accordingly."""
        is_elected = bool(await self._database.run("elect", self._me | {"term": self._term}))
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
                with contextlib.suppress(*AWAY):
                    await self._database.run_once("resign", self._me)

    def _start(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": LATE_SECONDS},
        )
        for job in JOBS:
            self._scheduler.add_job(self._run, job.trigger, args=[job], id=job.name)
        self._scheduler.start()

    def _stop(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def _run(self, job: Job) -> None:
        try:
            await job.run(self._database, self._settings)
        except Exception as error:  # noqa: BLE001 - told by kind: its text may quote a person's data
            log.error("a job failed, it runs again at its next time", job=job.name, error=type(error).__name__)
