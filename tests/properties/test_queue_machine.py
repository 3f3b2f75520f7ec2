"""Whatever happens in whatever order: no delivery is lost, none settled twice, no settlement from behind a fence counts."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.types.json import Jsonb

from dispatcher.database.connections import Database
from dispatcher.delivery.queue import BEGINNING, PostgresQueue
from dispatcher.destinations.base import Limits
from dispatcher.intake.worker import BATCH
from dispatcher.models import Settlement
from dispatcher.quarantine import GIVEN_UP, part
from dispatcher.routing import RoutingTable
from tests.properties.queue_model import Attempt, Held, Key, Model, Pending, Receipt, Tried
from tests.support.clock import RECLAIM
from tests.support.intake_worker import intake

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)
META, GA4 = 1, 2
LIMITS = {
    META: Limits(timedelta(hours=2), timedelta(hours=1), batch=10, concurrency=1),
    GA4: Limits(timedelta(hours=3), None, batch=10, concurrency=1),
}
EMPTY = """
SELECT string_agg(format('outbox.%I', tablename), ', ') FROM pg_tables
WHERE schemaname = 'outbox' AND tablename NOT IN ('destination', 'step', 'route', 'alembic_version')
"""
"""All that is no word of the funnel."""

# A step that the funnel owes to both destinations, and one that nobody is told of.
steps = st.sampled_from(["lead_submitted", "lead_submitted", "signed_in"])
limits = st.integers(1, 8)
destinations = st.sampled_from([META, GA4])
holders = st.sampled_from(["one", "other"])
recent = st.sampled_from([0, 0, 0, 0, 1, 2, 3])
"""Which of the leases that holders remember, the latest first; now and then one that was lost."""
outcomes = st.lists(
    st.sampled_from(["delivered", "failed", "refused", "transient", "uncertain", "returned", None]),
    min_size=1,
    max_size=7,
)
"""What became of the deliveries of a lease, in turn; None: nothing yet."""
seconds = st.sampled_from([1, 5, 40, 100, 3000])
later = st.sampled_from([timedelta(), timedelta(seconds=30), timedelta(minutes=5)])


class Interrupted:
    """A database that puts a settlement of intake aside, to be made later, by somebody who may have lost the lease."""

    def __init__(self, database):
        self.database = database
        self.settlement = None

    async def run(self, query, parameters=None):
        if query == "settle_events":
            self.settlement = parameters
            return [(1,)]
        return await self.database.run(query, parameters)


async def taken_in(one):
    await one.step()
    await one.finish()


class QueueMachine(RuleBasedStateMachine):
    """Several holders over the real queues, beside the model. The clock stands still between two steps."""

    connection: psycopg.Connection
    database: Database
    words: RoutingTable
    runner: asyncio.Runner

    @initialize(events=st.integers(1, 8))
    def begin(self, events):
        self.connection.execute("TRUNCATE " + self.connection.execute(EMPTY).fetchone()[0])
        self.model = Model(BEGIN)
        self.silent = set()  # events that nobody is told of
        self.queues = {}
        self.known = []  # (queue, lease) that a holder remembers
        self.intakes = []  # likewise (holder, settlement)
        self.names = itertools.count()
        self.set_clock()
        for number in range(events):
            self.record(number, "lead_submitted", is_raw=False)
        self.take_in()

    def set_clock(self):
        self.connection.execute(
            f"""
            CREATE OR REPLACE FUNCTION outbox.clock() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
            AS $$ SELECT '{self.model.now.isoformat()}'::timestamptz $$
            """
        )

    def run(self, query, **parameters):
        return self.runner.run(self.database.run(query, parameters))

    def queue(self, holder, destination):
        if (holder, destination) not in self.queues:
            name = f"{holder} {next(self.names)}"
            self.queues[holder, destination] = PostgresQueue(self.database, destination, name, LEASE)
        return self.queues[holder, destination]

    @rule(number=st.integers(4, 12), name=steps, is_raw=st.booleans())
    def record(self, number, name, *, is_raw):
        person = {"person": {"email": "a@example.com"}} if is_raw else {}
        event = Jsonb({"name": name, "event_id": str(number), **person})
        (recorded,) = self.connection.execute("SELECT outbox.record(%s)", (event,)).fetchone()
        self.model.record(recorded, is_raw=is_raw)
        if name == "signed_in":
            self.silent.add(recorded)

    @rule(seconds=seconds)
    def wait(self, seconds):
        self.model.now += timedelta(seconds=seconds)
        self.set_clock()

    @rule()
    def take_in(self):
        """Intake as it usually goes: claimed, and settled at once."""
        self.claim_intake("one")
        if self.intakes:
            self.settle_intake(0)

    @rule(holder=holders, is_suspect=st.booleans())
    def claim_intake(self, holder, is_suspect=False):
        """A batch of ordinary events, or a part of what workers were lost over."""
        losses = self.model.suspects(0) if is_suspect else 0
        if losses >= GIVEN_UP:
            return  # `give_up_intake` is for these
        due = self.model.due(0, losses)
        database = Interrupted(self.database)
        one = intake(database, holder, lease=LEASE, routing=self.words)
        one.suspect_losses = losses
        self.runner.run(taken_in(one))
        if not due:
            assert database.settlement is None
            return
        lease = database.settlement["lease"]
        (events,) = self.connection.execute("SELECT event_ids FROM outbox.lease WHERE id = %s", (lease,)).fetchone()
        assert sorted(events) == sorted(key.event for key in due)[: part(losses, BATCH)]
        self.model.claim(lease, holder, 0, map(Key, events), LEASE)
        self.intakes.append((holder, database.settlement))

    @precondition(lambda self: self.intakes)
    @rule(which=recent, is_suspect=st.booleans())
    def release_intake(self, which, *, is_suspect):
        holder, settlement = self.intakes[-1 - which % len(self.intakes)]
        lease = settlement["lease"]
        held = Jsonb([{"lease": lease, "is_suspect": is_suspect, "begun": []}])
        released = self.run("release_leases", holder=holder, lease=lease, leases=held)
        assert released == [(self.model.release(lease, holder, is_suspect=is_suspect, begun=set()),)]

    @precondition(lambda self: self.intakes)
    @rule(which=recent, is_thief=st.booleans())
    def give_up_intake(self, which, *, is_thief):
        holder, settlement = self.intakes[-1 - which % len(self.intakes)]
        holder = "thief" if is_thief else holder
        ended = self.run("give_up_lease", lease=settlement["lease"], holder=holder)
        assert ended == [(self.model.give_up(settlement["lease"], holder, (META, GA4)),)]

    @precondition(lambda self: self.intakes)
    @rule(which=recent)
    def settle_intake(self, which):
        _, settlement = self.intakes[-1 - which % len(self.intakes)]
        settled = self.run("settle_events", **settlement)
        assert settled == [(self.model.take_in(settlement["lease"], (META, GA4), self.silent),)]

    @rule(holder=holders, destination=destinations, limit=limits, is_suspect=st.booleans())
    def claim(self, holder, destination, limit, is_suspect=False):
        queue = self.queue(holder, destination)
        queue._watermark._rewound_at -= 2  # an empty claim may look from the beginning again
        losses = self.model.suspects(destination) if is_suspect else 0
        lease = self.runner.run(queue.claim(limit, losses))
        due = self.model.due(destination, losses)
        if lease is None:
            assert not due
            return
        claimed = {
            Key(delivery.event.id, destination, delivery.revision): Tried(delivery.tries, delivery.first_unknown_at)
            for delivery in lease.deliveries
        }
        assert len(claimed) == len(lease.deliveries) == lease.count == min(limit, len(due))
        assert lease.losses == losses
        assert claimed == {key: self.model.queue[key].tried for key in due & claimed.keys()}
        self.model.claim(lease.id, queue._holder, destination, claimed, LEASE)
        self.known.append((queue, lease))

    @rule(holder=holders, destination=destinations, outcomes=outcomes, seconds=seconds)
    def deliver(self, holder, destination, outcomes, seconds):
        """A delivery as it usually goes: claimed, and settled a little later."""
        before = len(self.known)
        self.claim(holder, destination, 8)
        self.wait(seconds)
        if len(self.known) > before:
            self.settle(0, outcomes, timedelta())

    @rule(destination=destinations)
    def lose(self, destination):
        """A process dies over what it holds, and another takes it back."""
        self.claim("other", destination, 8)
        self.crash("other")
        self.wait(100)
        self.reclaim()

    @precondition(lambda self: self.known)
    @rule(which=recent, outcomes=outcomes, later=later)
    def settle(self, which, outcomes, later):
        self.tell(*self.known[-1 - which % len(self.known)], outcomes, later)

    @precondition(lambda self: self.known)
    @rule(outcomes=outcomes)
    def steal(self, outcomes):
        """Somebody settles and prolongs what another holds."""
        queue, lease = self.known[-1]
        thief = PostgresQueue(self.database, queue.destination, "thief", LEASE)
        self.tell(thief, lease, outcomes, timedelta())
        assert not self.runner.run(thief.extend(lease))

    def tell(self, queue, lease, outcomes, later):
        told = [
            self.settlement(delivery, outcome, self.model.now + later)
            for delivery, outcome in zip(lease.deliveries, itertools.cycle(outcomes))
            if outcome
        ]
        assert self.runner.run(queue.settle(lease, told)) == self.model.settle(lease.id, queue._holder, told)

    def settlement(self, delivery, outcome, due_at):
        told = {
            "delivered": {"status": 200},
            "failed": {"status": 400, "code": 100, "reason": "invalid parameter"},
            "refused": {"outcome": "failed", "reason": "missing value"},
            "transient": {"status": 500, "due_at": due_at},
            "uncertain": {"due_at": due_at, "unknown_at": self.model.now},
            "returned": {"due_at": due_at},
        }[outcome]
        return Settlement(event_id=delivery.event.id, revision=delivery.revision, **{"outcome": outcome, **told})

    @precondition(lambda self: self.known)
    @rule(which=recent, is_suspect=st.booleans(), begun=st.sets(st.integers(0, 7)))
    def release(self, which, *, is_suspect, begun):
        """A holder that lives gives one lease back."""
        queue, lease = self.known[-1 - which % len(self.known)]
        sent = keys(queue, [each for number, each in enumerate(lease.deliveries) if number in begun])
        rows = [(key.event, key.revision) for key in sent]
        self.runner.run(queue.release(lease, is_suspect=is_suspect, begun=rows))
        self.model.release(lease.id, queue._holder, is_suspect=is_suspect, begun=set(sent))

    @precondition(lambda self: self.known)
    @rule(is_suspect=st.booleans(), begun=st.sets(st.integers(0, 7)))
    def release_all(self, *, is_suspect, begun):
        """A supervisor gives back all that a dead holder held at one destination, as `dispatcher.in_flight` has it."""
        dead, _ = self.known[-1]
        held, released = [], 0
        for queue, lease in self.known:
            if queue is dead:
                sent = keys(queue, [each for number, each in enumerate(lease.deliveries) if number in begun])
                rows = [(key.event, key.revision) for key in sent]
                held.append({"lease": lease.id, "is_suspect": is_suspect, "begun": rows})
                released += self.model.release(lease.id, queue._holder, is_suspect=is_suspect, begun=set(sent))
        assert self.run("release_leases", holder=dead._holder, lease=None, leases=Jsonb(held)) == [(released,)]

    @precondition(lambda self: self.known)
    @rule(which=recent, is_thief=st.booleans())
    def give_up(self, which, *, is_thief):
        queue, lease = self.known[-1 - which % len(self.known)]
        holder = "thief" if is_thief else queue._holder
        given = PostgresQueue(self.database, queue.destination, holder, LEASE)
        self.runner.run(given.give_up(lease))
        self.model.give_up(lease.id, holder, ())

    @precondition(lambda self: self.known)
    @rule(which=recent)
    def extend(self, which):
        queue, lease = self.known[-1 - which % len(self.known)]
        assert self.runner.run(queue.extend(lease)) == self.model.extend(lease.id, LEASE)

    @rule(holder=holders)
    def crash(self, holder):
        """A process dies: it remembers nothing, and what comes after it has another name."""
        gone = [queue for (name, _), queue in self.queues.items() if name == holder]
        self.known = [(queue, lease) for queue, lease in self.known if queue not in gone]
        self.intakes = [intake for intake in self.intakes if intake[0] != holder]
        self.queues = {key: queue for key, queue in self.queues.items() if key[0] != holder}

    @rule()
    def look(self):
        """What the daemon wakes for, and with how many losses."""
        params = {"intake": 0, "destinations": [META, GA4], "sinces": [BEGINNING] * 2}
        seen = {row for row in self.run("ready_queues", **params) if row[0] >= 0}
        queues = (0, META, GA4)
        ordinary = {(queue, 0) for queue in queues if self.model.due(queue)}
        assert seen == ordinary | {(queue, losses) for queue in queues if (losses := self.model.suspects(queue))}

    @rule()
    def reclaim(self):
        assert self.run("reclaim_leases", **RECLAIM | {"most": GIVEN_UP - 1}) == [(self.model.reclaim(GIVEN_UP - 1),)]

    @rule(destination=destinations)
    def expire(self, destination):
        queue = self.queue("one", destination)
        assert self.runner.run(queue.expire(LIMITS[destination])) == self.model.expire(destination, LIMITS[destination])

    @rule(ahead=st.integers(0, 1))
    def requeue(self, ahead):
        before = self.model.now + timedelta(seconds=ahead)
        everything = {"reason": None, "destination": None, "step": None, "limit": 1000}
        rows = self.run("requeue_dead_letters", before=before, destination_after=0, event_after=0, **everything)
        assert (rows[0][0] if rows else 0) == self.model.requeue(before)

    @precondition(lambda self: any(receipt.outcome == "delivered" for receipt in self.model.receipts.values()))
    @rule(which=st.integers(0, 20))
    def resend(self, which):
        """Decide to send once more what was delivered; the decision may be late, and another's stand already."""
        delivered = [key for key, receipt in self.model.receipts.items() if receipt.outcome == "delivered"]
        key = delivered[which % len(delivered)]
        again = {"event_id": key.event, "destination": key.destination, "revision": key.revision + 1}
        decided = self.run(
            "enqueue_resends",
            resends=Jsonb([again | {"first_at": self.model.first_sent_at(key).isoformat()}]),
            done=[],
            later=[],
            pause=timedelta(),
        )
        assert decided == [(self.model.revise(key),)]
        if decided[0][0]:
            self.model.resent.add((key.event, key.destination))

    @invariant()
    def nothing_is_lost_or_done_twice(self):
        if not hasattr(self, "model"):
            return
        tables = stored(self.connection)
        self.the_tables_say_what_the_model_says(*tables)
        queue, leases, receipts, *_ = tables
        tried = {key: pending.tried for key, pending in queue.items()}
        for lease in leases.values():
            assert not tried.keys() & lease.rows.keys()
            tried |= lease.rows
        self.everything_is_in_exactly_one_place(tried.keys(), receipts.keys())
        self.the_first_sending_stays_the_first(tried)

    def the_tables_say_what_the_model_says(self, queue, leases, receipts, attempts, raw):
        model = self.model
        assert (queue, leases, receipts) == (model.queue, model.leases, model.receipts)
        assert (attempts, raw) == (model.attempts, model.raw)

    def everything_is_in_exactly_one_place(self, pending, ended):
        assert not pending & ended
        inside = {key for key in pending if not key.destination}
        rows = self.connection.execute(
            """
            SELECT event.id, destination.id, 0 FROM outbox.event, outbox.destination
            UNION ALL SELECT event_id, destination, revision FROM outbox.revision
            """
        ).fetchall()
        fanned_out = {Key(*row) for row in rows if Key(row[0]) not in inside}
        assert pending | ended == fanned_out | inside

    def the_first_sending_stays_the_first(self, tried):
        for key, row in tried.items():
            if key.destination:
                assert row.first_unknown_at == self.model.first_sent_at(key)


def keys(queue, deliveries):
    return [Key(each.event.id, queue.destination, each.revision) for each in deliveries]


def stored(connection):
    """Read queue, leases, receipts, attempts and raw persons, as the model has them."""
    rows = connection.execute(
        """
        SELECT event_id, destination, revision, tries, first_unknown_at, due_at, losses FROM outbox.delivery
        UNION ALL SELECT event_id, 0, 0, 0, NULL, NULL, losses FROM outbox.intake
        """
    ).fetchall()
    queue = {Key(*row[:3]): Pending(Tried(*row[3:5]), *row[5:]) for row in rows}
    assert len(queue) == len(rows)
    leases = {
        lease: Held(
            destination, *held, {Key(e, destination, r): Tried(*tried) for e, r, *tried in zip(*arrays, strict=True)}
        )
        for lease, destination, *held, arrays in (
            (*row[:6], row[6:])
            for row in connection.execute(
                "SELECT id, coalesce(destination, 0), losses, holder, claimed_at, expires_at, "
                "event_ids, revisions, tries, first_unknown_ats FROM outbox.lease"
            ).fetchall()
        )
    }
    receipts = {
        Key(*row[:3]): Receipt(*row[3:])
        for row in connection.execute("SELECT event_id, destination, revision, outcome, tries, at FROM outbox.receipt")
    }
    attempts = {
        (Key(*row[:3]), row[3]): Attempt(*row[4:])
        for row in connection.execute("SELECT event_id, destination, revision, try, outcome, at FROM outbox.attempt")
    }
    raw = {event for (event,) in connection.execute("SELECT event_id FROM outbox.raw")}
    return queue, leases, receipts, attempts, raw


@pytest.mark.timeout(600)  # what fails is made small before it is shown
def test_the_queues_do_what_the_model_does(database_url):
    async def connect():
        context = Database.connect(database_url, connections=1)
        return context, await context.__aenter__()

    with asyncio.Runner() as runner, psycopg.connect(database_url, autocommit=True) as connection:
        context, database = runner.run(connect())
        connection.execute("SET timezone = 'UTC'")
        QueueMachine.connection, QueueMachine.database, QueueMachine.runner = connection, database, runner
        QueueMachine.words = RoutingTable(database)
        try:
            run_state_machine_as_test(
                QueueMachine,
                settings=settings(
                    max_examples=40,
                    stateful_step_count=50,
                    deadline=None,
                    print_blob=True,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            runner.run(context.__aexit__(None, None, None))
