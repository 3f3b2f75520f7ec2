"""Sends a text to the addresses in OUTBOX_ALERT_URLS: Telegram, Slack, mail and whatever else apprise supports.

Addresses contain secrets: neither they nor a service's reply is ever logged, only the kind of service.
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
"""For all addresses together; each one times out by itself after some seconds."""


class Notifier:
    """The recipients of alerts. Without an address, the log line of an alert is all there is."""

    def __init__(self, urls: Secret) -> None:
        self._urls = urls
        self._services: list[Any] | None = None

    async def send(self, title: str, body: str) -> bool:
        """Send; return whether any service accepted it, or True without an address. Never raise."""
        if not self._urls:
            return True
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                results = await _in_thread(lambda: self._send(title, body))
        except TimeoutError:
            log.error("an alert could not be sent, retrying", error="timeout")
            return False
        if failed := sorted(kind for kind, accepted in results if not accepted):
            is_retried = not any(accepted for _, accepted in results)
            log.error("an alert could not be sent", services=failed, is_retried=is_retried)
        return any(accepted for _, accepted in results)

    def _send(self, title: str, body: str) -> list[tuple[str, bool]]:
        """Send to every service; return the kind of each, and whether it accepted. Never raise."""
        try:
            self._services = self._services or self._load()
        except Exception as error:  # noqa: BLE001 - its text may quote an address
            log.error("the addresses in OUTBOX_ALERT_URLS cannot be used", error=type(error).__name__)
            return []
        return [(_kind(service), self._notify(service, title, body)) for service in self._services]

    def _notify(self, service: Any, title: str, body: str) -> bool:
        try:
            return bool(service.notify(title=title, body=body))
        except Exception as error:  # noqa: BLE001 - its text may quote an address, and one service must not stop another
            log.error("an alert could not be sent", services=[_kind(service)], error=type(error).__name__)
            return False

    def _load(self) -> list[Any]:
        # apprise loads a hundred services; only a process that alerts needs them.
        from apprise import Apprise  # noqa: PLC0415
        from apprise.utils.parse import parse_urls  # noqa: PLC0415

        services = Apprise()
        for number, address in enumerate(parse_urls(self._urls.reveal()), start=1):  # type: ignore[no-untyped-call]
            if not services.add(address):
                log.error("an address in OUTBOX_ALERT_URLS is not understood", number=number)
        return list(services)


async def _in_thread(work: Callable[[], list[tuple[str, bool]]]) -> list[tuple[str, bool]]:
    """Run `work` in a daemon thread: an ending process waits for the threads of asyncio's own pool."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[tuple[str, bool]]] = loop.create_future()

    def finish(results: list[tuple[str, bool]]) -> None:
        if not done.done():
            done.set_result(results)

    def run() -> None:
        results = work()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(finish, results)

    threading.Thread(target=run, name="alert", daemon=True).start()
    return await done


def _kind(service: Any) -> str:
    return type(service).__name__.removeprefix("Notify").lower()
