"""Checks of the destinations themselves: can they be reached, do the clocks agree, what do they answer to a test.

What is asked, each kind of destination says (`check_live`); it records nothing, or what it records is said there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from dispatcher.config import Account, Config
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from dispatcher.destinations.base import Reply
from dispatcher.destinations.http_client import MAX_REPLY
from dispatcher.doctor.server import check_clock
from dispatcher.findings import Finding, error, ok

TIMEOUT = aiohttp.ClientTimeout(total=15)


async def check(settings: Settings, config: Config) -> AsyncIterator[Finding]:
    """Send a test request to each configured destination."""
    async with aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False) as session:
        for account in config.accounts:
            asker = _Asker(session)
            kind, here = registry.kinds()[account.kind], registry.configured(account, settings, config)
            is_clock_checked = False
            try:
                async for finding in kind.check_live(here, asker):
                    if asker.reply and not is_clock_checked:
                        is_clock_checked = True
                        yield _clock(account, asker.reply)
                    yield finding
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as failure:
                yield error(
                    f"{account.name}: live",
                    f"It cannot be reached from this machine ({type(failure).__name__}).",
                    "Check DNS, firewall and proxy.",
                )


class _Asker:
    """Makes the requests of one kind (`dispatcher.destinations.checks.Ask`); keeps the last reply."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.reply: Reply | None = None

    async def __call__(
        self,
        method: str,
        address: str,
        content: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        body = None if content is None else msgspec.json.encode(content)
        headers = {"Content-Type": "application/json", **(headers or {})}
        async with self._session.request(
            method, address, data=body, headers=headers, params=query, allow_redirects=False
        ) as reply:
            self.reply = Reply(reply.status, reply.headers, await reply.content.read(MAX_REPLY))
            return self.reply


def _clock(account: Account, reply: Reply) -> Finding:
    """Compare this machine's clock with the Date header of a reply, which has a resolution of one second."""
    name = f"{account.name}: clock"
    try:
        theirs = parsedate_to_datetime(reply.headers["Date"])
    except (KeyError, ValueError):
        return ok(name, "Its reply has no Date header.")
    offset = theirs.astimezone(UTC) + timedelta(seconds=0.5) - datetime.now(UTC)
    kind = registry.kinds()[account.kind]
    return check_clock(name, offset, kind.operator or kind.label)
