"""One request with events, from its arrival to its response, for any destination.

                ┌─ before ──▶ reset
request ─ fault ┼─ instead ─▶ read ─▶ another response
                └─ none, after ─▶ read ─▶ parse ─▶ refuse ─▶ error
                                              └──▶ record ─▶ response | late | wrong | hang, reset
"""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar, Protocol

import msgspec
from aiohttp import web

from dispatcher.sandbox import wire
from dispatcher.sandbox.ledger import NOTHING, ParsedEvent, Recorded, RequestRecord
from dispatcher.sandbox.state import SANDBOX, Sandbox

__all__ = ["Endpoint", "RequestRejectedError", "exchange"]

Parsed = tuple[list[ParsedEvent], msgspec.Raw]


class RequestRejectedError(Exception):
    """The whole request is refused, with this response and code; `shown` are the events to show on the page."""

    def __init__(self, code: str, response: web.Response, shown: list[ParsedEvent]) -> None:
        super().__init__(code)
        self.code = code
        self.response = response
        self.shown = shown


class Endpoint(Protocol):
    """The part of an exchange that differs by destination."""

    destination: ClassVar[str]

    def instead(self, sandbox: Sandbox, record: RequestRecord) -> web.Response | None:
        """Return the response of an `instead` fault, or None if `record.fault` is not one."""

    def parse(self, request: web.Request, sandbox: Sandbox, record: RequestRecord, body: bytes | None) -> Parsed:
        """Return the events of a body (None: too large) and what they share, or raise RefusedError."""

    def accepted(self, record: RequestRecord) -> web.Response:
        """Return the response to an accepted request; with the fault `wrong_received_count`, a wrong one."""

    def garbage(self) -> web.Response:
        """Return a meaningless response."""


async def exchange(endpoint: Endpoint, request: web.Request, target: str) -> web.StreamResponse:
    """Answer a request, or not, according to the fault plan; record the outcome."""
    sandbox = request.app[SANDBOX]
    faults = sandbox.faults[endpoint.destination]
    plan = faults.plan
    record = sandbox.ledger.open(endpoint.destination, target, sandbox.clock(), faults.draw())
    try:
        body = await _body(request, record)
        if not record.acknowledged:
            return wire.reset(request)
        response, recorded = _answer(endpoint, request, sandbox, record, body)
        if record.fault == "slow":
            await wire.wait(sandbox.stopping, plan.slow_ms / 1000)
        if record.accepted and record.fault == "hang_after_accept":
            await wire.wait(sandbox.stopping, plan.hang_seconds)
        if record.accepted and record.fault in ("reset_after_accept", "hang_after_accept"):
            return wire.reset(request)
        if record.accepted and record.acknowledged and not wire.connected(request):
            sandbox.ledger.mark_unacknowledged(record, recorded)
        record.status = response.status
        return response
    finally:
        sandbox.ledger.close(record)


async def _body(request: web.Request, record: RequestRecord) -> bytes | None:
    """Return the body, or None if it is too large. If the sender is gone, mark the request unacknowledged."""
    if record.fault != "reset_before":
        with suppress(ConnectionError):  # the sender went away before the end of its body
            return await wire.read(request)
    record.acknowledged = False
    return None


def _answer(
    endpoint: Endpoint, request: web.Request, sandbox: Sandbox, record: RequestRecord, body: bytes | None
) -> tuple[web.Response, list[Recorded]]:
    if instead := endpoint.instead(sandbox, record):
        return instead, []
    try:
        parsed_events, envelope = endpoint.parse(request, sandbox, record, body)
    except RequestRejectedError as refused:
        record.error = refused.code
        sandbox.ledger.record(record, refused.shown, NOTHING)
        return refused.response, []
    record.accepted = True
    record.events = len(parsed_events)
    record.acknowledged = record.fault in ("", "slow")
    recorded = sandbox.ledger.record(record, parsed_events, envelope)
    return (endpoint.garbage() if record.fault == "garbage" else endpoint.accepted(record)), recorded
