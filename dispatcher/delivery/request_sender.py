"""Makes the requests of a lease: within the concurrency limit, watched by the circuit breaker, bisected when refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

import msgspec
import structlog

from dispatcher.delivery.batch_settler import BatchSettler
from dispatcher.delivery.circuit_breaker import CircuitBreaker, CircuitState
from dispatcher.delivery.concurrency_limiter import ConcurrencyLimiter
from dispatcher.delivery.eligibility import closed, deadline
from dispatcher.delivery.settlements import returned, settlement_for, settlement_for_refusal
from dispatcher.destinations.base import Destination, Outcome, Payload, Response
from dispatcher.in_flight import Entry
from dispatcher.telemetry.counters import Counters
from dispatcher.telemetry.tracing import span

log = structlog.get_logger()

REFUSED_SECONDS = 300.0
"""When a delivery is tried again that a destination refused which refuses everything; meanwhile others are probed."""


class LeaseInProgress(msgspec.Struct, frozen=True):
    """What the requests of one lease share; `now` is by the database's clock."""

    settling: BatchSettler
    now: Callable[[], datetime]
    entry: Entry


class _Exchange(msgspec.Struct, frozen=True):
    """A response, and when its request was sent."""

    response: Response
    sent_at: datetime

    @property
    def is_refusal(self) -> bool:
        return self.response.outcome is Outcome.REJECTED


class RequestSender:
    """Sends to one destination. `limiter`: how many requests are in flight at once."""

    def __init__(self, destination: Destination, circuit: CircuitBreaker, counters: Counters) -> None:
        self.limiter = ConcurrencyLimiter(destination.limits.concurrency)
        self._destination = destination
        self._circuit = circuit
        self._counters = counters
        self._stopping = False

    async def send_all(
        self,
        groups: Sequence[Sequence[Payload]],
        lease: LeaseInProgress,
        on_begun: Callable[[], object] = lambda: None,
    ) -> None:
        """Send the requests of one lease, and settle what comes of each.

        `on_begun` is called when all of them are on their way.
        """
        await self.limiter.each(partial(self._send_noted, lease=lease), groups, on_begun)

    def stop(self) -> None:
        """Make no more requests: what waits for one is released."""
        self._stopping = True

    def cancel(self) -> None:
        """Cancel the requests in flight: nobody knows what came of them."""
        self.limiter.cancel()

    async def _send_noted(self, group: Sequence[Payload], lease: LeaseInProgress) -> None:
        await lease.entry.working(self._send(group, lease))

    async def _send(self, group: Sequence[Payload], lease: LeaseInProgress) -> None:
        """Send a group; if it is refused, bisect it to find the culprits."""
        if not (group := self._in_time(group, lease)):
            return
        if (exchange := await self._request(group, lease)) is None:
            return
        if exchange.is_refusal and len(group) > 1:
            await self._bisect(group, lease)
        else:
            self._settle(group, exchange, lease)

    async def _bisect(self, group: Sequence[Payload], lease: LeaseInProgress) -> None:
        """Send the halves of a refused group. If the first is accepted, the culprit is in the second.

        The order of the halves is random, so that no arrangement is the worst case. An event only fails if it was refused alone.
        """
        group = self._in_time(group, lease)
        if len(group) < 2:
            await self._send(group, lease)
            return
        middle = len(group) // 2
        halves = [group[:middle], group[middle:]]
        random.shuffle(halves)
        first, second = halves
        try:
            exchange = await self._request(first, lease)
            if exchange and exchange.is_refusal and len(first) > 1:
                await self._bisect(first, lease)
            elif exchange:
                self._settle(first, exchange, lease)
        except asyncio.CancelledError:
            self._return(second, lease)
            raise
        if exchange and exchange.response.outcome is Outcome.DELIVERED and len(second) > 1:
            await self._bisect(second, lease)
        else:
            await self._send(second, lease)

    def _in_time(self, group: Sequence[Payload], lease: LeaseInProgress) -> Sequence[Payload]:
        """Return what may still be sent, and settle the rest: a lease can take long, with slow responses and many refusals."""
        now, limits = lease.now(), self._destination.limits
        late = [payload for payload in group if now >= deadline(payload.delivery, limits)]
        if not late:
            return group
        lease.settling.add(
            *(settlement_for_refusal(each.delivery, closed(each.delivery), each.account_id) for each in late)
        )
        return [payload for payload in group if now < deadline(payload.delivery, limits)]

    async def _request(self, group: Sequence[Payload], lease: LeaseInProgress) -> _Exchange | None:
        """Make one request; return None if it may not be made any more, and what becomes of its deliveries is settled."""
        pause = self._circuit.pause()
        if self._stopping or pause or not lease.settling.may_send:
            self._return(group, lease, 0 if self._stopping else pause)
            return None
        sent_at = lease.now()
        began = monotonic()
        lease.entry.begin(payload.delivery for payload in group)
        try:
            with span("send", destination=self._destination.name, events=len(group)) as recorded:
                response = await self._destination.send(group)
                recorded["outcome"], recorded["code"] = response.outcome, response.code
        except asyncio.CancelledError:
            unknown = Response(Outcome.UNCERTAIN, "stopped while it was sent")
            self._settle(group, _Exchange(unknown, sent_at), lease)
            raise
        seconds = monotonic() - began
        self.limiter.answered(seconds)
        self._counters.requested(self._destination.name, len(group), response.outcome, seconds)
        if self._circuit.record(response, len(group)):
            log_change = {CircuitState.HALTED: log.error, CircuitState.RUNNING: log.info}.get(
                self._circuit.state, log.warning
            )
            log_change(
                "destination changed state",
                destination=self._destination.name,
                state=str(self._circuit.state),
                reason=self._circuit.reason,
            )
        return _Exchange(response, sent_at)

    def _return(self, group: Sequence[Payload], lease: LeaseInProgress, seconds: float = 0) -> None:
        due_at = lease.now() + timedelta(seconds=seconds)
        lease.settling.add(*(returned(payload.delivery, due_at) for payload in group))

    def _settle(self, group: Sequence[Payload], exchange: _Exchange, lease: LeaseInProgress) -> None:
        if exchange.is_refusal and self._circuit.refuses_everything:
            self._return(group, lease, REFUSED_SECONDS)
            return
        limits, now = self._destination.limits, lease.now()
        lease.settling.add(
            *(
                settlement_for(
                    payload, exchange.response, limits, sent_at=exchange.sent_at, now=now, jitter=random.random()
                )
                for payload in group
            )
        )
