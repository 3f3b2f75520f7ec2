"""Sending a text to people: Telegram, Slack, mail and whatever else apprise knows, by the addresses in OUTBOX_ALERT_URLS.

Addresses hold secrets: none is ever logged, nor what a service answered; only the kind of service.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import structlog

from dispatcher.config.settings import Secret

log = structlog.get_logger()

TIMEOUT_SECONDS = 60.0
"""For all addresses together; each gives up after some seconds of silence by itself."""


class Notifier:
    """Those who are to be told. Without an address, what there is to tell is logged, and that is enough."""

    def __init__(self, urls: Secret) -> None:
        self._urls = urls
        self._services: list[Any] | None = None

    async def send(self, title: str, body: str) -> bool:
        """Tell; give whether anybody took it (or nobody is to be told by other ways than the log). Never raises."""
        if not self._urls:
            return True
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                took = await _in_thread(lambda: self._send(title, body))
        except TimeoutError:
            log.error("an alert could not be sent, it is tried again", error="timeout")
            return False
        if failed := sorted(kind for kind, taken in took if not taken):
            tried_again = not any(taken for _, taken in took)
            log.error("an alert could not be sent", services=failed, tried_again=tried_again)
        return any(taken for _, taken in took)

    def _send(self, title: str, body: str) -> list[tuple[str, bool]]:
        """Tell every service; give the kind of each, and whether it took it. Never raises."""
        try:
            self._services = self._services or self._understood()
        except Exception as error:  # noqa: BLE001 - its text may quote an address
            log.error("the addresses in OUTBOX_ALERT_URLS cannot be used", error=type(error).__name__)
            return []
        return [(_kind(service), self._taken(service, title, body)) for service in self._services]

    def _taken(self, service: Any, title: str, body: str) -> bool:
        try:
            return bool(service.notify(title=title, body=body))
        except Exception as error:  # noqa: BLE001 - its text may quote an address, and one service must not stop another
            log.error("an alert could not be sent", services=[_kind(service)], error=type(error).__name__)
            return False

    def _understood(self) -> list[Any]:
        # They know a hundred services; only who alerts needs them.
        from apprise import Apprise  # noqa: PLC0415
        from apprise.utils.parse import parse_urls  # noqa: PLC0415

        known = Apprise()
        for number, address in enumerate(parse_urls(self._urls.reveal()), start=1):  # type: ignore[no-untyped-call]
            if not known.add(address):
                log.error("an address in OUTBOX_ALERT_URLS is not understood", number=number)
        return list(known)


async def _in_thread(work: Callable[[], list[tuple[str, bool]]]) -> list[tuple[str, bool]]:
    """Do `work` in a thread that a process which ends does not wait for, unlike those of asyncio's own pool."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[tuple[str, bool]]] = loop.create_future()

    def tell(took: list[tuple[str, bool]]) -> None:
        if not done.done():
            done.set_result(took)

    def run() -> None:
        took = work()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(tell, took)

    threading.Thread(target=run, name="alert", daemon=True).start()
    return await done


def _kind(service: Any) -> str:
    return type(service).__name__.removeprefix("Notify").lower()
