"""The election of the one dispatcher that runs the scheduled jobs (`dispatcher.scheduler.jobs`), and its scheduler.

                  nobody is elected, or the term has expired
     candidate ────────────────────────────────────────────────▶ leader ──┐
         ▲                                                         │  ▲   │ renews at every
         │   stops and resigns, or cannot renew (killed, frozen,   │  └───┘ third of the term
         └────── cut off) and another dispatcher is elected ───────┘

The election is a row with an expiry by the database's clock, like a lease: it needs no connection of its own, works behind
a pooler, and ends by itself whatever happens to its holder. For a moment two dispatchers may both consider themselves
elected, so every job must be harmless when it runs twice.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import DATABASE_UNAVAILABLE, Database
from dispatcher.monitoring.alerts import Watch
from dispatcher.scheduler.jobs import JOBS, Context, Job
from dispatcher.telemetry.tracing import span

log = structlog.get_logger()

ROLE = "schedule"
LATE = timedelta(hours=1)
"""How late a job may still start; several missed starts count as one."""


class LeaderElection:
    """One dispatcher's part in the election, and its scheduler while it is elected.

    `term`: how long it is elected for; a dispatcher that was silent for that long counts as gone.
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
        self._context = Context(database, settings, config, Watch(database, settings, config, fresh=term))
        self._candidate = {"role": ROLE, "holder": holder}
        self._scheduler: AsyncIOScheduler | None = None

    async def step(self) -> bool:
        """Stand for election or renew the term; start or stop the jobs accordingly. Return False: no step follows at once."""
        is_elected = bool(await self._database.run("elect_leader", self._candidate | {"term": self.term}))
        if is_elected and self._scheduler is None:
            log.info("elected: this dispatcher runs the scheduled jobs", jobs=[job.name for job in JOBS])
            self._start()
        elif not is_elected and self._scheduler is not None:
            log.warning("no longer elected")
            self._stop()
        return False

    async def close(self) -> None:
        """Stop the jobs and resign, so that another dispatcher is elected at once; safe to repeat."""
        if self._scheduler is not None:
            self._stop()
            if self._database.reachable:  # else the term expires
                with contextlib.suppress(*DATABASE_UNAVAILABLE):
                    await self._database.run_once("resign_leader", self._candidate)

    def _start(self) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": int(LATE.total_seconds())},
        )
        now = datetime.now(UTC)
        for job in JOBS:
            trigger = job.trigger(self._context.config)
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
                await job.run(self._context)
        except Exception as error:  # noqa: BLE001 - logged by type: its text may quote a person's data
            log.error(
                "a job failed, it runs again at its next scheduled time", job=job.name, error=type(error).__name__
            )
