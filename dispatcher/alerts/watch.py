"""Compares what holds with what was told, and tells; done every few seconds by the elected dispatcher."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from dispatcher.alerts.conditions import DISABLED, KINDS, QUIET, SAME, Fact, holding, over
from dispatcher.alerts.notify import Notifier
from dispatcher.database import Database
from dispatcher.standings import Age, ages, standings
from schema.config import Config
from schema.settings import Settings

log = structlog.get_logger()

AGAIN = timedelta(minutes=1)
"""When what could not be sent is sent again."""
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

    async def check(self) -> None:
        """See what holds, and tell what is new and what is over."""
        oldest = ages(await self._database.run("oldest_owed"))
        known = standings(await self._database.run("standings", {"fresh": self._fresh}))
        facts = [Fact.of(standing, oldest.get(standing.id, Age())) for standing in known.values()]
        told = {(kind, subject): message for kind, subject, message, _ in await self._database.run("alerts")}
        found = holding(facts, told.keys(), self._config, self._versions, datetime.now(UTC).date())
        if news := {alert: text for alert, text in sorted(found.items()) if text not in {SAME, told.get(alert)}}:
            await self._raise(news)
        if told.keys() - found.keys():
            await self._database.run(
                "alert_pass",
                {
                    "kinds": [kind for kind, _ in found],
                    "subjects": [subject for _, subject in found],
                    "known": list(KINDS),
                    "quiet": list(QUIET),
                    "switched_off": [fact.name for fact in facts if fact.state == DISABLED],
                },
            )
        await self.tell()

    async def say(self, subject: str, text: str) -> None:
        """Tell `text`, whose first line is its title; once for each `subject`, whoever says it."""
        await self._raise({(MESSAGE, subject): text})
        await self.tell()

    async def tell(self) -> None:
        """Send what is due."""
        for row in await self._database.run("alert_due", {"again": AGAIN}):
            due = _Due(*row)
            title, body = due.words()
            tell = log.warning if due.is_bad_news else log.info
            tell("alert", kind=due.kind, subject=due.subject, title=title, text=body)
            if await self._notifier.send(title, body):
                await self._database.run(
                    "alert_told", {"kind": due.kind, "subject": due.subject, "passed_at": due.passed_at}
                )

    async def _raise(self, alerts: dict[tuple[str, str], str]) -> None:
        await self._database.run(
            "alert_raise",
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
