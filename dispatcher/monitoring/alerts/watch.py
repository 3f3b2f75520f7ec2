"""Compares the alerts that hold with those in the table, and sends what is due; the leader does it every few seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic

import msgspec
import structlog

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database, rows_as
from dispatcher.destinations import registry
from dispatcher.monitoring.alerts.conditions import DISABLED, KINDS, QUIET, SAME, QueueHealth, all_clear, holding
from dispatcher.monitoring.alerts.notify import Notifier
from dispatcher.monitoring.destination_status import destination_statuses

log = structlog.get_logger()

AGAIN = timedelta(minutes=1)
"""When a message that could not be sent is retried."""
QUIET_SECONDS = 60.0
"""How long an empty table is assumed to stay empty while nothing holds; then it is read again, because another dispatcher,
elected for a moment too, may have added a row."""
MESSAGE = "message"
"""The kind of a scheduled message, which is not about a problem but is sent the same way."""


class Watch:
    """The alerts of one database. `fresh`: how long after its last heartbeat a dispatcher counts as running."""

    def __init__(self, database: Database, settings: Settings, config: Config, *, fresh: timedelta) -> None:
        self._database = database
        self._config = config
        self._fresh = fresh
        self._deadlines = registry.deadlines(settings, config)
        self._notifier = Notifier(settings.alert_urls)
        self._quiet_until = 0.0

    async def check(self) -> None:
        """Raise the alerts that are new, end those that are over, and send what is due."""
        statuses = destination_statuses(await self._database.run("read_destination_status", {"fresh": self._fresh}))
        facts = [QueueHealth.of(status) for status in statuses.values()]
        today = datetime.now(UTC).date()
        if monotonic() < self._quiet_until and not holding(facts, (), self._config, self._deadlines, today):
            return
        rows = await self._database.run("read_alerts")
        active = {(row.kind, row.subject): row.message for row in rows if row.holds}
        found = holding(facts, active.keys(), self._config, self._deadlines, today)
        if news := {alert: text for alert, text in sorted(found.items()) if text not in {SAME, active.get(alert)}}:
            await self._raise(news)
        if active.keys() - found.keys():
            await self._database.run(
                "pass_alerts",
                {
                    "kinds": [kind for kind, _ in found],
                    "subjects": [subject for _, subject in found],
                    "all_kinds": list(KINDS),
                    "quiet": list(QUIET),
                    "switched_off": [fact.name for fact in facts if fact.state == DISABLED],
                },
            )
        self._quiet_until = 0.0 if rows or found else monotonic() + QUIET_SECONDS
        if rows or found:
            await self.send_due()

    async def send_message(self, subject: str, text: str) -> None:
        """Send `text`, whose first line is its title; once for each `subject`, whichever dispatcher sends it."""
        self._quiet_until = 0.0
        await self._raise({(MESSAGE, subject): text})
        await self.send_due()

    async def send_due(self) -> None:
        """Send the alerts, all clears and messages that are due."""
        for due in rows_as(_Due, await self._database.run("claim_alerts", {"again": AGAIN})):
            title, body = due.text()
            write = log.warning if due.is_bad_news else log.info
            write("alert", kind=due.kind, subject=due.subject, title=title, text=body)
            if await self._notifier.send(title, body):
                await self._database.run(
                    "finish_alert", {"kind": due.kind, "subject": due.subject, "passed_at": due.passed_at}
                )

    async def _raise(self, alerts: dict[tuple[str, str], str]) -> None:
        await self._database.run(
            "raise_alerts",
            {
                "kinds": [kind for kind, _ in alerts],
                "subjects": [subject for _, subject in alerts],
                "messages": list(alerts.values()),
            },
        )


class _Due(msgspec.Struct, frozen=True):
    kind: str
    subject: str
    message: str
    raised_at: datetime
    passed_at: datetime | None

    @property
    def is_bad_news(self) -> bool:
        return self.kind != MESSAGE and self.passed_at is None

    def text(self) -> tuple[str, str]:
        """Return title and body."""
        if self.kind == MESSAGE:
            title, _, body = self.message.partition("\n")
            return title, body.strip()
        if self.passed_at is None:
            return "Conversions: attention", self.message
        minutes = (self.passed_at - self.raised_at).total_seconds() / 60
        return (
            "Conversions: all clear",
            f"{all_clear(self.kind, self.subject, self.message)} It took {minutes:.0f} minutes.",
        )
