"""The proof of a visit: what each destination received of each conversion, compared with what it should have received.

It is read only from the sandbox's ledger, which stands in for the destinations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from dispatcher.demo.panel import Recorded
from dispatcher.demo.stack import every_kind
from dispatcher.demo.story import STEPS, Visit
from dispatcher.sandbox import Arrival, Ledger
from dispatcher.sandbox.stand_in import Proof, stand_ins

TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.05

ONCE = "once                  counted exactly once (+: also sent again, enriched, and dropped as a repeat)"


class StepProof(msgspec.Struct, frozen=True):
    """The arrivals of one conversion at each destination; `names` are its expected event names there."""

    recorded: Recorded
    names: dict[str, str]
    arrivals: dict[str, list[Arrival]]


async def arrived(ledger: Ledger, visit: Visit) -> list[StepProof]:
    """Return the proofs as soon as everything has arrived everywhere, or after TIMEOUT_SECONDS."""
    deadline = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
    while True:
        found = proofs(ledger, visit)
        if all(all(proof.arrivals.values()) for proof in found) or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(_POLL_SECONDS)


def proofs(ledger: Ledger, visit: Visit) -> list[StepProof]:
    """Return what has arrived so far of each conversion."""
    return [_proof(ledger, recorded) for recorded in visit.recorded]


def _proof(ledger: Ledger, recorded: Recorded) -> StepProof:
    targets = next((step.targets for step in every_kind().steps if step.name == recorded.step), {})
    names = {name: target.event_name for name, target in targets.items()}
    arrivals: dict[str, list[Arrival]] = {destination: [] for destination in names}
    for arrival in ledger.arrivals:
        if arrival.event_id == recorded.event_id and arrival.event_name == names.get(arrival.destination):
            arrivals[arrival.destination].append(arrival)
    return StepProof(recorded, names, arrivals)


def problems(visit: Visit, found: Sequence[StepProof], ledger: Ledger) -> Iterator[str]:
    """Yield every deviation from what should have arrived, as a sentence."""
    steps = tuple(recorded.step for recorded in visit.recorded)
    if steps != STEPS:
        yield f"The log holds {', '.join(steps) or 'nothing'} of this visit; expected {', '.join(STEPS)}."
    lead = next((one for one in visit.recorded if one.step == "lead_submitted"), None)
    if lead and lead.event_id != visit.event_id:
        yield "The lead does not carry the event_id of the landing page."
    expected = 0
    for proof in found:
        for destination, arrivals in proof.arrivals.items():
            expected += 1
            where = f"{proof.recorded.step} at {destination}"
            counted = sum(arrival.verdict == "counted" for arrival in arrivals)
            if counted != 1:
                yield f"{where}: counted {counted} times instead of once."
            for arrival in arrivals:
                if arrival.verdict not in _proof_of(destination).allowed:
                    yield f"{where}: {arrival.verdict}."
                yield from (f"{where}: {problem.field} {problem.why}." for problem in arrival.problems)
    counted = sum(arrival.verdict == "counted" for arrival in ledger.arrivals)
    if counted > expected:
        yield f"The sandbox counted {counted} events where {expected} were expected."


def show(console: Console, found: Sequence[StepProof]) -> None:
    """Print two tables, of at most 100 columns for two destinations: what arrived, and the identifiers in it."""
    places = stand_ins()
    at = [f"at {place.kind.label}" for place in places.values()]
    what = Table("step", *at, "event_id", box=box.SIMPLE, show_edge=False, padding=(0, 1, 0, 0))
    for proof in found:
        what.add_row(proof.recorded.step, *(proof.names.get(name) for name in places), proof.recorded.event_id)
    console.print(what)
    console.print()

    who = Table(box=box.SIMPLE, show_edge=False, padding=0)
    who.add_column("step", no_wrap=True, min_width=2)
    for number, (name, place) in enumerate(places.items()):
        who.add_column(
            f" {place.kind.label}" if number else place.kind.label,
            no_wrap=True,
            justify="right" if number else "left",
            min_width=2,
        )
        of_kind = _proof_of(name)
        for header in (*of_kind.columns.values(), *([of_kind.score[0]] if of_kind.score else ())):
            who.add_column(header, no_wrap=True, min_width=2)
    for proof in found:
        cells = [cell for name in places for cell in _cells(_proof_of(name), proof.arrivals.get(name, []))]
        who.add_row(proof.recorded.step, *cells)
    console.print(who)
    console.print()
    legend = (ONCE, *(line for name in places for line in _proof_of(name).legend))
    console.print("\n".join(legend), style="dim", highlight=False)


def _proof_of(destination: str) -> Proof:
    return stand_ins()[destination].proof or Proof({}, lambda _: {})


def _cells(of_kind: Proof, arrivals: Sequence[Arrival]) -> Iterator[str]:
    person = of_kind.person(arrivals)
    yield _verdict(arrivals)
    for key in of_kind.columns:
        yield "✅" if person.get(key) else "·"
    if of_kind.score:
        yield f"{of_kind.score[1](person):.1f}"


def _verdict(arrivals: Sequence[Arrival]) -> str:
    match [arrival.verdict for arrival in arrivals]:
        case ["counted"]:
            return "once"
        case ["counted", *repeats] if set(repeats) == {"duplicate"}:
            return "once+"
        case [verdict]:
            return verdict
        case verdicts:
            return f"{len(verdicts)} times"
