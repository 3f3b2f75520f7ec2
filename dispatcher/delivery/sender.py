"""Sends to one destination: claim, resolve the persons, build, send, settle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from time import monotonic

import structlog

from dispatcher.delivery.batch_settler import BatchSettler, clock
from dispatcher.delivery.builder import build
from dispatcher.delivery.circuit_breaker import CircuitBreaker, CircuitState
from dispatcher.delivery.eligibility import refuse
from dispatcher.delivery.queue import DeliveryQueue
from dispatcher.delivery.request_sender import LeaseInProgress, RequestSender
from dispatcher.delivery.settlements import returned, settlement_for_refusal, settlement_of
from dispatcher.destinations.base import Destination, Payload
from dispatcher.identity.profile import Resolver
from dispatcher.in_flight import Entry, InFlight
from dispatcher.models import Lease
from dispatcher.quarantine import GIVEN_UP, Judge, is_events_doing, part
from dispatcher.reasons import CANNOT_PROCESS, DISABLED, WINDOW_CLOSED, Refusal
from dispatcher.routing import DestinationRoutes, RoutingTable
from dispatcher.telemetry.counters import CountedLease, Counters, ReportedState

log = structlog.get_logger()

LEASES = 4
"""Leases at once of which requests wait for their turn: while some are sent and one is settled, the next is claimed and built.
Those that only wait for responses do not count, so a few requests that hang do not stop the rest."""
OPEN_LEASES = 64
"""Leases at once in all; their events are in memory."""
SLOT_SECONDS = 1.0
"""How long a step waits for room, so that a hanging loop is recognised."""
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
        counters: Counters,
        *,
        lease: timedelta,
        in_flight: InFlight | None = None,
    ) -> None:
        self.destination = destination
        self.circuit = CircuitBreaker()
        self.claimed_at: float | None = None
        self.is_behind = False
        """Whether the last claim was full, so that more is pending and can be sent."""
        self.suspect_losses = 0
        """The losses of what is to be worked on in small parts (`dispatcher.quarantine`); 0: nothing is."""
        self._suspects: asyncio.Task[None] | None = None
        self._judge = Judge()
        self._in_flight = in_flight or InFlight.private()
        self._queue = queue
        self._resolver = resolver
        self._routing = routing
        self._counters = counters
        self._lease = lease
        self._stopping = False
        self._requests = RequestSender(destination, self.circuit, counters)
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: set[int] = set()
        """The leases whose requests are all on their way."""
        self._room = asyncio.Event()

    async def step(self) -> bool:
        """Claim one lease and start to deliver it. Return False if nothing was due, True also if there was no room."""
        routes = (await self._routing.destinations())[self.destination.name]
        if self._stopping:
            return False
        # Disabled destinations skip everything, even while halted or throttled: nothing of it is sent later.
        if routes.enabled and (routes.paused or self.destination.missing() or self.circuit.pause()):
            self.is_behind = False
            return False
        if self._has_enough():
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), SLOT_SECONDS)
        probing = routes.enabled and self.circuit.is_probing
        if self._stopping or (probing and self._tasks):
            return False
        if self._has_enough():
            return True
        if self.suspect_losses and not self._suspects and await self._start_suspects(probing=probing):
            return True
        limit = 1 if probing else self.destination.limits.batch
        asked = clock()
        lease = await self._queue.claim(limit)
        self.claimed_at = monotonic()
        self.is_behind = not probing and lease is not None and lease.is_full
        if lease is None:
            return False
        self._start(lease, asked)
        return True

    async def _start_suspects(self, *, probing: bool) -> bool:
        """Start to deliver one part of what workers were lost over; return whether there was any."""
        losses, asked = self.suspect_losses, clock()
        lease = await self._queue.claim(1 if probing else part(losses, self.destination.limits.batch), losses)
        if lease is None:
            self.suspect_losses = 0
            return False
        self._suspects = self._start(lease, asked)
        return True

    def _start(self, lease: Lease, asked: float) -> asyncio.Task[None]:
        task = asyncio.create_task(self._deliver(lease, asked))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def expire(self) -> bool:
        """Expire old deliveries while the destination is paused or halted; otherwise claiming does it."""
        if self.state().state not in {"paused", CircuitState.HALTED}:
            return False
        ended = await self._queue.expire(self.destination.limits)
        if ended:
            self._counters.ended(self._routes, WINDOW_CLOSED, ended)
            log.warning("deliveries expired: their window closed", destination=self.destination.name, deliveries=ended)
        return ended > 0

    def state(self) -> ReportedState:
        """Return whether the destination takes deliveries, as this process sees it."""
        routes = self._routes
        if not routes.enabled:
            return ReportedState(routes.id, "disabled", None)
        if routes.paused:
            return ReportedState(routes.id, "paused", None)
        if missing := self.destination.missing():
            return ReportedState(routes.id, CircuitState.HALTED, f"{missing} is not set")
        return ReportedState(routes.id, self.circuit.state, self.circuit.reason)

    @property
    def _routes(self) -> DestinationRoutes:
        return self._routing.latest[self.destination.name]

    async def finish(self) -> None:
        """Wait until everything in progress is settled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self, grace: float) -> None:
        """Stop claiming and sending; settle what is in flight within `grace` seconds, and release the rest."""
        self._stopping = True
        self._requests.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        self._requests.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in self._tasks:  # those that wait for the database
            task.cancel()
        await self.destination.close()

    def _has_enough(self) -> bool:
        return len(self._tasks) - len(self._begun) >= LEASES or len(self._tasks) >= OPEN_LEASES

    def _all_begun(self, lease: int) -> None:
        self._begun.add(lease)
        self._room.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.set()
        if task is self._suspects:
            self._suspects = None
        if not task.cancelled() and (error := task.exception()):
            # The lease expires and its deliveries come back. Nothing is lost, but an operator should know.
            log.error("lease failed", destination=self.destination.name, error=type(error).__name__)

    async def _deliver(self, lease: Lease, asked: float) -> None:
        """Deliver a lease that was asked for at `asked`; whatever its deliveries do to us, they harm themselves only."""
        if lease.losses >= GIVEN_UP:
            if self._judge.may_give_up():
                log.error("an event cannot be processed and is given up", destination=self.destination.name)
                await self._queue.give_up(lease)
                self._counters.ended(self._routes, CANNOT_PROCESS, lease.count)
            else:
                await self._queue.release(lease, is_suspect=False)
                await asyncio.sleep(SLOT_SECONDS)
            return
        entry = self._in_flight.enter(lease.id)
        try:
            await entry.working(self._deliver_entered(lease, asked, entry))
        finally:
            entry.leave()

    async def _deliver_entered(self, lease: Lease, asked: float, entry: Entry) -> None:
        claimed = monotonic()
        try:
            entry.hold(lease.deliveries)
        except Exception as error:  # noqa: BLE001 - nothing was sent yet, so no outcome is unknown
            await self._give_back(lease, error)
            return
        counted = CountedLease(self._routes, lease)
        noted = partial(self._counters.settled, counted)
        settling = BatchSettler(self._queue, lease, self._lease, asked, noted, working=entry.working)
        # The database's clock, carried on from the claim.
        progress = LeaseInProgress(settling, lambda: lease.claimed_at + timedelta(seconds=monotonic() - claimed), entry)
        settling.add(*(settlement_of(row, CANNOT_PROCESS) for row in lease.unreadable))
        try:
            payloads = await self._build(lease, settling)
            counted.add_identifiers(
                ((payload.delivery.event.id, payload.delivery.revision), payload.identifiers) for payload in payloads
            )
            new = [payload for payload in payloads if payload.sent_as != payload.delivery.sent_as]
            if new and not await self._queue.note(lease, new):
                settling.is_lost = True
                payloads = []
            groups = list(self.destination.requests(payloads))
        except Exception as error:  # noqa: BLE001 - nothing was sent yet, so no outcome is unknown
            if is_events_doing(error):
                await settling.abandon()
                await self._give_back(lease, error)
                return
            log.error("lease could not be built", destination=self.destination.name, error=type(error).__name__)
            settling.replace(returned(delivery, lease.claimed_at + UNBUILT) for delivery in lease.deliveries)
            groups = []
        try:
            await self._requests.send_all(groups, progress, partial(self._all_begun, lease.id))
        finally:
            self._begun.discard(lease.id)
            is_settled = await self._close(settling, lease, entry)
        if is_settled:
            self._judge.succeeded()

    async def _close(self, settling: BatchSettler, lease: Lease, entry: Entry) -> bool:
        """Settle what is left; if the database takes some of it in no form, that comes back in smaller parts."""
        try:
            await settling.close()
        except Exception as error:
            if not is_events_doing(error):
                raise
            await self._give_back(lease, error, entry.begun())
            return False
        return True

    async def _give_back(self, lease: Lease, error: Exception, begun: Sequence[tuple[int, int]] = ()) -> None:
        """Give back what a lease still holds, of which only `begun` may have been sent; it comes back in smaller parts."""
        log.error(
            "a batch could not be worked on and comes back in parts",
            destination=self.destination.name,
            deliveries=lease.count,
            error=type(error).__name__,
        )
        await self._queue.release(lease, is_suspect=True, begun=begun)

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
            built = built or build(self.destination, delivery, profile, route, lease.claimed_at)
            if isinstance(built, Payload):
                payloads.append(built)
            else:
                settling.add(settlement_for_refusal(delivery, built, account_id))
        return payloads
