"""The evidence of a run: from the logs in the database, the sandbox's ledger, and the log lines of the processes."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.faults.chaos.plan import GA4_SECRET, META_TOKEN, Plan

if TYPE_CHECKING:
    from tests.faults.chaos.run import Run

Place = tuple[str, str]
"""An event id and a destination's name."""

NO_EVENT = "(user data)"
"""The sandbox's name for user data that is sent to GA4 without an event."""

EVENTS = "SELECT event_id FROM outbox.event"
SALES = "SELECT event_id FROM sale"
RECEIPTS = """
SELECT event.event_id, destination.name, revision, outcome, reason, status, tries, extract(epoch FROM at)::float8
FROM outbox.receipt JOIN outbox.event ON event.id = receipt.event_id
JOIN outbox.destination ON destination.id = receipt.destination
"""
ATTEMPTS = """
SELECT event.event_id, destination.name, revision, try, outcome, attempt.reason
FROM outbox.attempt JOIN outbox.event ON event.id = attempt.event_id
JOIN outbox.destination ON destination.id = attempt.destination
ORDER BY try
"""
REVISIONS = """
SELECT event.event_id, destination.name FROM outbox.revision JOIN outbox.event ON event.id = revision.event_id
JOIN outbox.destination ON destination.id = revision.destination
"""
LEFT = "SELECT count(*) FROM outbox.{}"
SECRETS = re.compile(f"{META_TOKEN}|{GA4_SECRET}|@example\\.com|35799123456")


WORKER_DIED = "a worker died, replacing it"
INTENDED = {"destination changed state", WORKER_DIED}
"""Errors that a disruption causes."""


@dataclass
class Incident:
    """A disruption that happened: when it began and ended, and when the victim's deliveries were back in the queues."""

    kind: str
    at: float
    over_at: float = 0
    back_at: float = 0
    held: bool = False


class Receipt(NamedTuple):
    """The end of a delivery."""

    revision: int
    outcome: str
    reason: str | None
    status: int | None
    tries: int
    at: float


class Attempt(NamedTuple):
    """A try that did not end the delivery."""

    revision: int
    number: int
    outcome: str
    reason: str | None


@dataclass
class LogFindings:
    """The dispatchers' log lines: counts of all, and the full text of those that should not be there."""

    lines: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    reclaimed: int = 0
    fenced_off: int = 0

    def read(self, log: str, text: str) -> None:
        """Read a log."""
        for line in text.splitlines():
            if SECRETS.search(line):
                self.leaks.append(f"{log}: {line}")
            try:
                entry = json.loads(line)
            except ValueError:
                self.wrong.append(f"{log}: {line}")
                continue
            self.lines[entry["event"]] += 1
            # A halted destination and a killed worker are intended faults, and an operator must be informed of them.
            if entry["level"] not in {"info", "warning"} and entry["event"] not in INTENDED:
                self.wrong.append(f"{log}: {line}")
            if entry["event"].startswith("leases expired"):
                self.reclaimed += entry["deliveries"]
            if entry["event"].startswith("lease lost"):
                self.fenced_off += entry["lost"]


@dataclass(kw_only=True)
class Evidence:
    """All evidence, in plain values."""

    plan: Plan
    incidents: list[Incident]
    seconds: dict[str, float]
    kept: dict[str, str]
    rolled_back: dict[str, str]
    repeated: int
    events: Counter[str]
    sales: set[str]
    receipts: dict[Place, list[Receipt]]
    attempts: dict[Place, list[Attempt]]
    revisions: Counter[Place]
    left: dict[str, int]
    ledger: dict[Place, tuple[int, int]]
    unacknowledged: dict[Place, int]
    requests: dict[str, int]
    faults: dict[str, Counter[str]]
    stops: list[tuple[str, list[str], int | None, float]]
    logs: LogFindings
    server_errors: Counter[str]
    unresponsive: list[str]

    @classmethod
    async def gather(
        cls, run: Run, *, began: float, calm_at: float, drained_at: float, unresponsive: list[str]
    ) -> Evidence:
        """Collect the evidence when everything has ended."""
        receipts: defaultdict[Place, list[Receipt]] = defaultdict(list)
        for event_id, destination, *receipt in await run.ask(RECEIPTS):
            receipts[event_id, destination].append(Receipt(*receipt))
        attempts: defaultdict[Place, list[Attempt]] = defaultdict(list)
        for event_id, destination, *attempt in await run.ask(ATTEMPTS):
            attempts[event_id, destination].append(Attempt(*attempt))
        tables = ("intake", "raw", "delivery", "lease", "merge")
        faults = await run.sandbox.read("/faults")
        logs = LogFindings()
        dispatchers = [*run.fleet.ended, *run.fleet.living]
        for one in dispatchers:
            logs.read(one.log.name, one.log.read_text())
        return cls(
            plan=run.plan,
            incidents=run.incidents,
            seconds={"chaos": calm_at - began, "drain": drained_at - calm_at},
            kept=run.crm.conversions(),
            rolled_back=run.crm.conversions(rolled_back=True),
            repeated=run.crm.repeated,
            events=Counter(event_id for (event_id,) in await run.ask(EVENTS)),
            sales={event_id for (event_id,) in await run.ask(SALES)},
            receipts=dict(receipts),
            attempts=dict(attempts),
            revisions=Counter(await run.ask(REVISIONS)),
            left={table: (await run.ask(LEFT.format(table)))[0][0] for table in tables},
            ledger={
                (event_id, destination): (received, counted)
                for destination, name, event_id, received, counted in await run.sandbox.lines("/ledger/counts")
                if name != NO_EVENT
            },
            unacknowledged={
                (event_id, destination): times
                for destination, name, event_id, times in await run.sandbox.lines("/ledger/unacknowledged")
                if name != NO_EVENT
            },
            requests={name: fault["requests"] for name, fault in faults.items()},
            faults={name: Counter(fault["injected"]) for name, fault in faults.items()},
            stops=[
                (one.log.name, [number.name for number in one.signals], one.code, one.stopped_in) for one in dispatchers
            ],
            logs=logs,
            server_errors=server_errors((run.server.data.parent / "postgres.log").read_text()),
            unresponsive=unresponsive,
        )


def server_errors(text: str) -> Counter[str]:
    """Count PostgreSQL's errors by message. A statement that a dispatcher cancels on SIGTERM is not an error."""
    errors = Counter(re.findall(r" (?:ERROR|PANIC):  (.*)", text))
    del errors["canceling statement due to user request"]
    return errors
