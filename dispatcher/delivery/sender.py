"""Sends to one destination: claim, resolve the persons, build, send, settle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

import msgspec
import structlog

from dispatcher.delivery.batch_settler import BatchSettler, clock
from dispatcher.delivery.circuit_breaker import CircuitBreaker, State
from dispatcher.delivery.concurrency_limiter import ConcurrencyLimiter
from dispatcher.delivery.eligibility import refuse
from dispatcher.delivery.queue import DeliveryQueue
from dispatcher.delivery.settlements import returned, settlement_for, settlement_for_refusal
from dispatcher.destinations.base import Destination, Outcome, Payload, Response
from dispatcher.identity.profile import Profile, Resolver, profile_from_event
from dispatcher.models import Delivery, Lease, Route
from dispatcher.reasons import CANNOT_BUILD, DISABLED, WINDOW_CLOSED, Refusal
from dispatcher.routing import RoutingTable
from dispatcher.telemetry import counters, prometheus
from dispatcher.telemetry.counters import Counters, ReportedState
from dispatcher.telemetry.tracing import span

log = structlog.get_logger()

LEASES = 4
"""Leases in progress at once: while some are sent and one is settled, the next is claimed and built. Twice as many for a distant
destination, where requests on their way fill some."""
SLOT_SECONDS = 1.0
"""How long a step waits for one of them to end, so that a hanging loop is recognised."""
CLOSE_SECONDS = 3.0
"""Time for the last settlement; after that the lease is left to expire."""
PAUSED = timedelta(seconds=30)
"""When a delivery on a paused route is claimed again."""
UNBUILT = timedelta(minutes=1)
"""When the deliveries of a lease that could not be built are claimed again."""


class Sender:
    """Delivers to one destination, a lease at a time. `claimed_at`: when it last asked for work (monotonic seconds)."""

    def __init__(
        self,
        destination: Destination,
        queue: DeliveryQueue,
        resolver: Resolver,
        routing: RoutingTable,
        counts: Counters,
        *,
        lease: timedelta,
    ) -> None:
        self.destination = destination
        self.circuit = CircuitBreaker()
        self.claimed_at: float | None = None
        self.is_behind = False
        """Whether the last claim was full, so that more is pending and can be sent."""
        self._queue = queue
        self._resolver = resolver
        self._routing = routing
        self._counters = counts
        self._lease = lease
        self._stopping = False
        self._requests = ConcurrencyLimiter(destination.limits.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()

    async def step(self) -> bool:
        """Claim one lease and start to deliver it. Return False if nothing was due."""
        routes = (await self._routing.destinations())[self.destination.name]
        if self._stopping:
            return False
        # Disabled destinations skip everything, even while halted or throttled: nothing of it is sent later.
        if routes.enabled and (routes.paused or self.destination.missing() or self.circuit.pause()):
            self.is_behind = False
            return False
        if self._has_enough():
            await asyncio.wait(self._tasks, timeout=SLOT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        probing = routes.enabled and self.circuit.is_probing
        if self._stopping or self._has_enough() or (probing and self._tasks):
            return False
        limit = 1 if probing else self.destination.limits.batch
        asked = clock()
        lease = await self._queue.claim(limit)
        self.claimed_at = monotonic()
        self.is_behind = not probing and lease is not None and len(lease.deliveries) == limit
        if lease is None:
            return False
        task = asyncio.create_task(self._deliver(lease, asked))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return True

    async def expire(self) -> bool:
        """Expire old deliveries while the destination is paused or halted; otherwise claiming does it."""
        if self.state().state not in {"paused", State.HALTED}:
            return False
        ended = await self._queue.expire(self.destination.limits)
        if ended:
            self._counters.ended(self.state().destination, WINDOW_CLOSED.outcome, WINDOW_CLOSED.reason, ended)
            log.warning("deliveries expired: their window closed", destination=self.destination.name, deliveries=ended)
        return ended > 0

    def state(self) -> ReportedState:
        """Return whether the destination takes deliveries, as this process sees it."""
        routes = self._routing.latest[self.destination.name]
        if not routes.enabled:
            return ReportedState(routes.id, "disabled", None)
        if routes.paused:
            return ReportedState(routes.id, "paused", None)
        if missing := self.destination.missing():
            return ReportedState(routes.id, State.HALTED, f"{missing} is not set")
        return ReportedState(routes.id, self.circuit.state, self.circuit.reason)

    async def finish(self) -> None:
        """Wait until everything in progress is settled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, grace: float) -> None:
        """Stop claiming and sending; settle what is in flight within `grace` seconds, and release the rest."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        self._requests.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in self._tasks:  # those that wait for the database
            task.cancel()
        await self.destination.close()

    def _has_enough(self) -> bool:
        return len(self._tasks) >= (2 * LEASES if self._requests.is_far else LEASES)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # The lease expires and its deliveries come back. Nothing is lost, but an operator should know.
            log.error("lease failed", destination=self.destination.name, error=type(error).__name__)

    async def _deliver(self, lease: Lease, asked: float) -> None:
        """Deliver a lease whose claim was started at `asked`."""
        claimed = monotonic()
        counted = counters.Batch.of(self._routing.latest[self.destination.name].id, self.destination.name, lease)
        settling = BatchSettler(self._queue, lease, self._lease, asked, partial(self._counters.settled, counted))
        # The database's clock, carried on from the claim.
        batch = _Batch(settling, lambda: lease.claimed_at + timedelta(seconds=monotonic() - claimed))
        try:
            payloads = await self._build(lease, settling)
        except Exception as error:  # noqa: BLE001 - nothing was sent yet, so no outcome is unknown
            log.error("lease could not be built", destination=self.destination.name, error=type(error).__name__)
            settling.replace(returned(delivery, lease.claimed_at + UNBUILT) for delivery in lease.deliveries)
            payloads = []
        for payload in payloads:
            counted.identifiers[payload.delivery.event.id, payload.delivery.revision] = payload.identifiers
        try:
            await self._requests.each(partial(self._send, batch=batch), list(self.destination.requests(payloads)))
        finally:
            await settling.close()

    async def _build(self, lease: Lease, settling: BatchSettler) -> list[Payload]:
        routes = (await self._routing.destinations())[self.destination.name]
        if routes.enabled and (routes.paused or self.destination.missing()):  # its state changed since the claim
            settling.add(*(returned(delivery, lease.claimed_at) for delivery in lease.deliveries))
            return []
        persons = await self._resolver.look_up([delivery.event for delivery in lease.deliveries])
        payloads: list[Payload] = []
        for delivery, profile in zip(lease.deliveries, persons, strict=True):
            route = routes.routes.get(delivery.event.name)
            built: Payload | Refusal | None = (
                refuse(delivery, route, self.destination.limits, lease.claimed_at) if routes.enabled else DISABLED
            )
            if built is None and route and route.paused:
                settling.add(returned(delivery, lease.claimed_at + PAUSED))
                continue
            account_id = profile.account_id if profile else delivery.event.account_id
            built = built or self._build_one(delivery, profile, route, lease.claimed_at)
            if isinstance(built, Payload):
                payloads.append(built)
            else:
                settling.add(settlement_for_refusal(delivery, built, account_id))
        return payloads

    def _build_one(
        self, delivery: Delivery, profile: Profile | None, route: Route | None, now: datetime
    ) -> Payload | Refusal:
        """Build one delivery. The payload refers to the delivery as claimed, so that no more is kept in memory until it is sent."""
        try:
            whole = msgspec.structs.replace(delivery, event=delivery.event.whole())
            profile = profile or profile_from_event(whole.event)
            built = (
                self.destination.build_merge(whole, profile, now)
                if route is None
                else self.destination.build(whole, profile, route, now)
            )
        except Exception as error:  # noqa: BLE001 - isolate failures to the single event
            log.error("event cannot be built", id=delivery.event.id, error=type(error).__name__)
            return CANNOT_BUILD
        return msgspec.structs.replace(built, delivery=delivery) if isinstance(built, Payload) else built

    async def _send(self, group: Sequence[Payload], batch: _Batch) -> None:
        """Send a group; if it is refused, bisect it to find the culprits."""
        if (reply := await self._request(group, batch)) is None:
            return
        if reply.is_refusal and len(group) > 1:
            await self._bisect(group, batch)
        else:
            self._settle(group, reply, batch)

    async def _bisect(self, group: Sequence[Payload], batch: _Batch) -> None:
        """Send the halves of a refused group. If the first is accepted, the culprit is in the second.

        The order of the halves is random, so that no arrangement is the worst case. An event only fails if it was refused alone.
        """
        middle = len(group) // 2
        halves = [group[:middle], group[middle:]]
        random.shuffle(halves)
        first, second = halves
        try:
            reply = await self._request(first, batch)
            if reply and reply.is_refusal and len(first) > 1:
                await self._bisect(first, batch)
            elif reply:
                self._settle(first, reply, batch)
        except asyncio.CancelledError:
            self._return(second, batch)
            raise
        if reply and reply.response.outcome is Outcome.DELIVERED and len(second) > 1:
            await self._bisect(second, batch)
        else:
            await self._send(second, batch)

    async def _request(self, group: Sequence[Payload], batch: _Batch) -> _Reply | None:
        """Make one request; return None if it may not be made any more and its deliveries were released."""
        pause = self.circuit.pause()
        if self._stopping or pause or not batch.settling.may_send:
            self._return(group, batch, 0 if self._stopping else pause)
            return None
        sent_at = batch.now()
        began = monotonic()
        try:
            with span("send", destination=self.destination.name, events=len(group)) as recorded:
                response = await self.destination.send(group)
                recorded["outcome"], recorded["code"] = response.outcome, response.code
        except asyncio.CancelledError:
            unknown = Response(Outcome.UNCERTAIN, "stopped while it was sent")
            self._settle(group, _Reply(unknown, sent_at), batch)
            raise
        seconds = monotonic() - began
        self._requests.answered(seconds)
        prometheus.requested(self.destination.name, len(group), response.outcome, seconds)
        if self.circuit.record(response):
            log_change = {State.HALTED: log.error, State.RUNNING: log.info}.get(self.circuit.state, log.warning)
            log_change(
                "destination changed state",
                destination=self.destination.name,
                state=str(self.circuit.state),
                reason=self.circuit.reason,
            )
        return _Reply(response, sent_at)

    def _return(self, group: Sequence[Payload], batch: _Batch, seconds: float = 0) -> None:
        due_at = batch.now() + timedelta(seconds=seconds)
        batch.settling.add(*(returned(payload.delivery, due_at) for payload in group))

    def _settle(self, group: Sequence[Payload], reply: _Reply, batch: _Batch) -> None:
        limits, now = self.destination.limits, batch.now()
        batch.settling.add(
            *(
                settlement_for(payload, reply.response, limits, sent_at=reply.sent_at, now=now, jitter=random.random())
                for payload in group
            )
        )


class _Batch(msgspec.Struct, frozen=True):
    """What the requests of one lease share; `now` is by the database's clock."""

    settling: BatchSettler
    now: Callable[[], datetime]


class _Reply(msgspec.Struct, frozen=True):
    """A response, and when its request was sent."""

    response: Response
    sent_at: datetime

    @property
    def is_refusal(self) -> bool:
        return self.response.outcome is Outcome.REJECTED
