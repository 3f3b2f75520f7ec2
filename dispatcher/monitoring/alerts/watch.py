"""Compares what holds with what was told, and tells; done every few seconds by the elected dispatcher."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic

import msgspec
import structlog

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Database
from dispatcher.monitoring.alerts.conditions import DISABLED, KINDS, QUIET, SAME, Fact, holding, over
from dispatcher.monitoring.alerts.notify import Notifier
from dispatcher.monitoring.destination_status import destination_statuses

log = structlog.get_logger()

AGAIN = timedelta(minutes=1)
"""When what could not be sent is sent again."""
QUIET_SECONDS = 60.0
"""For how long it is taken for granted that nothing is noted where nothing was and nothing holds: another dispatcher, elected
for a moment too, may have noted something."""
MESSAGE = "message"
"""The kind of what is told by the clock and not because something is wrong: it goes the same way."""


class Watch:
    """What somebody is to be told. `fresh`: how long after its last word a dispatcher counts as there."""

    def __init__(self, database: Database, settings: Settings, config: Config, *, fresh: timedelta) -> None:
        self._database = database
        self._config = config
        self._fresh = fresh
        # Destinations of Meta's kind share the one version.
        self._versions = {settings.meta_api_version} if any(each.kind == "meta" for each in config.accounts) else set()
        self._notifier = Notifier(settings.alert_urls)
        self._quiet_until = 0.0

    async def check(self) -> None:
        """See what holds, and tell what is new and what is over."""
        known = destination_statuses(await self._database.run("read_destination_status", {"fresh": self._fresh}))
        facts = [Fact.of(standing) for standing in known.values()]
        today = datetime.now(UTC).date()
        if monotonic() < self._quiet_until and not holding(facts, (), self._config, self._versions, today):
            return
        noted = await self._database.run("read_alerts")
        told = {(kind, subject): message for kind, subject, message, holds in noted if holds}
        found = holding(facts, told.keys(), self._config, self._versions, today)
        if news := {alert: text for alert, text in sorted(found.items()) if text not in {SAME, told.get(alert)}}:
            await self._raise(news)
        if told.keys() - found.keys():
            await self._database.run(
                "pass_alerts",
                {
                    "kinds": [kind for kind, _ in found],
                    "subjects": [subject for _, subject in found],
                    "known": list(KINDS),
                    "quiet": list(QUIET),
                    "switched_off": [fact.name for fact in facts if fact.state == DISABLED],
                },
            )
        self._quiet_until = 0.0 if noted or found else monotonic() + QUIET_SECONDS
        if noted or found:
            await self.tell()

    async def say(self, subject: str, text: str) -> None:
        """Tell `text`, whose first line is its title; once for each `subject`, whoever says it."""
        self._quiet_until = 0.0
        await self._raise({(MESSAGE, subject): text})
        await self.tell()

    async def tell(self) -> None:
        """Send what is due."""
        for row in await self._database.run("claim_alerts", {"again": AGAIN}):
            due = _Due(*row)
            title, body = due.words()
            tell = log.warning if due.is_bad_news else log.info
            tell("alert", kind=due.kind, subject=due.subject, title=title, text=body)
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

    def words(self) -> tuple[str, str]:
        """Give title and text."""
        if self.kind == MESSAGE:
            title, _, body = self.message.partition("\n")
            return title, body.strip()
        if self.passed_at is None:
            return "Conversions: attention", self.message
        minutes = (self.passed_at - self.raised_at).total_seconds() / 60
        return "Conversions: all clear", f"{over(self.kind, self.subject, self.message)} It took {minutes:.0f} minutes."
