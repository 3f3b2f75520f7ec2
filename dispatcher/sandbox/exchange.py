"""One request with events, from its arrival to its fate, whichever destination it is for.

                ┌─ before ──▶ reset
request ─ fault ┼─ instead ─▶ read ─▶ another answer
                └─ none, after ─▶ read ─▶ understand ─▶ refuse ─▶ error
                                                   └──▶ take in ─▶ answer | late | wrong | hang, reset
"""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar, Protocol

import msgspec
from aiohttp import web

from dispatcher.sandbox import wire
from dispatcher.sandbox.ledger import NOTHING, Destination, Offer, RequestRecord, Taken
from dispatcher.sandbox.state import SANDBOX, Sandbox

__all__ = ["Endpoint", "RefusedError", "exchange"]

Understood = tuple[list[Offer], msgspec.Raw]


class RefusedError(Exception):
    """The whole request is refused: with which answer and code, and what is to be shown of it."""

    def __init__(self, code: str, response: web.Response, shown: list[Offer]) -> None:
        super().__init__(code)
        self.code = code
        self.response = response
        self.shown = shown


class Endpoint(Protocol):
    """What a destination does in its own way."""

    destination: ClassVar[Destination]

    def instead(self, sandbox: Sandbox, record: RequestRecord) -> web.Response | None:
        """Return the answer of a fault that comes instead of the true one, None if `record.fault` is no such."""

    def understand(
        self, request: web.Request, sandbox: Sandbox, record: RequestRecord, body: bytes | None
    ) -> Understood:
        """Return the events of a body (None: too large) and what they share, or raise RefusedError."""

    def accepted(self, record: RequestRecord) -> web.Response:
        """Return the answer to a request that was taken, `record.fault` being `wrong_received_count` or harmless."""

    def garbage(self) -> web.Response:
        """Return an answer that means nothing."""


async def exchange(endpoint: Endpoint, request: web.Request, target: str) -> web.StreamResponse:
    """Answer a request, or do not, as the plan of faults wants it; record what became of it."""
    sandbox = request.app[SANDBOX]
    faults = sandbox.faults[endpoint.destination]
    plan = faults.plan
    record = sandbox.ledger.open(endpoint.destination, target, sandbox.clock(), faults.draw())
    try:
        body = await _body(request, record)
        if not record.acknowledged:
            return wire.reset(request)
        response, taken = _answer(endpoint, request, sandbox, record, body)
        if record.fault == "slow":
            await wire.wait(sandbox.stopping, plan.slow_ms / 1000)
        if record.accepted and record.fault == "hang_after_accept":
            await wire.wait(sandbox.stopping, plan.hang_seconds)
        if record.accepted and record.fault in ("reset_after_accept", "hang_after_accept"):
            return wire.reset(request)
        if record.accepted and record.acknowledged and not wire.connected(request):
            sandbox.ledger.lose(record, taken)
        record.status = response.status
        return response
    finally:
        sandbox.ledger.close(record)


async def _body(request: web.Request, record: RequestRecord) -> bytes | None:
    """Return the body, None if it is too large; or note that there is nobody to answer any more."""
    if record.fault != "reset_before":
        with suppress(ConnectionError):  # the sender went away before the end of its body
            return await wire.read(request)
    record.acknowledged = False
    return None


def _answer(
    endpoint: Endpoint, request: web.Request, sandbox: Sandbox, record: RequestRecord, body: bytes | None
) -> tuple[web.Response, list[Taken]]:
    if instead := endpoint.instead(sandbox, record):
        return instead, []
    try:
        offers, envelope = endpoint.understand(request, sandbox, record, body)
    except RefusedError as refused:
        record.error = refused.code
        sandbox.ledger.take(record, refused.shown, NOTHING)
        return refused.response, []
    record.accepted = True
    record.events = len(offers)
    record.acknowledged = record.fault in ("", "slow")
    taken = sandbox.ledger.take(record, offers, envelope)
    return (endpoint.garbage() if record.fault == "garbage" else endpoint.accepted(record)), taken
