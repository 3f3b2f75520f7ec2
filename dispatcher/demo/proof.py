"""The proof of a visit: what each destination received of each conversion, compared with what it should have received.

It is read only from the sandbox's ledger, which stands in for Meta and Google.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from dispatcher.demo.panel import Recorded
from dispatcher.demo.story import STEPS, Visit
from dispatcher.sandbox import Arrival, Ledger
from dispatcher.sandbox.meta.dataset_quality import estimate
from outbox.taxonomy import FUNNEL

# Events that a merge has enriched are sent to Meta again, which drops them as repeats; GA4 is sent nothing twice.
_ALLOWED = {"meta": {"counted", "duplicate"}, "ga4": {"counted"}}

TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.05
_NAMES = {step.name: {name: target.event_name for name, target in step.targets.items()} for step in FUNNEL}

META_KEYS = {
    "em": "em", "ph": "ph", "fn": "fn", "ln": "ln", "ct": "ct", "zp": "zp", "country": "co", "external_id": "id",
    "fbc": "fbc", "fbp": "fbp", "client_ip_address": "ip", "client_user_agent": "ua",
}  # fmt: skip
GA4_KEYS = {
    "client_id": "cid", "user_id": "uid", "sha256_email_address": "em", "sha256_phone_number": "ph",
    "session_id": "ses",
}  # fmt: skip
LEGEND = """\
once                  counted exactly once (+: also sent again, enriched, and dropped as a repeat)
em ph fn ln ct zp co  e-mail, phone, first and last name, city, postal code, country: hashed
id fbc fbp ip ua      external_id (account, handlID, lead: hashed), click, browser, address, agent
cid uid ses           GA4's client, user and session
EMQ                   match quality out of 10, estimated by the sandbox"""


class Proof(msgspec.Struct, frozen=True):
    """The arrivals of one conversion at each destination; `names` are its expected event names there."""

    recorded: Recorded
    names: dict[str, str]
    arrivals: dict[str, list[Arrival]]


async def arrived(ledger: Ledger, visit: Visit) -> list[Proof]:
    """Return the proofs as soon as everything has arrived everywhere, or after TIMEOUT_SECONDS."""
    deadline = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
    while True:
        found = proofs(ledger, visit)
        if all(all(proof.arrivals.values()) for proof in found) or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(_POLL_SECONDS)


def proofs(ledger: Ledger, visit: Visit) -> list[Proof]:
    """Return what has arrived so far of each conversion."""
    return [_proof(ledger, recorded) for recorded in visit.recorded]


def _proof(ledger: Ledger, recorded: Recorded) -> Proof:
    names = _NAMES.get(recorded.step, {})
    arrivals: dict[str, list[Arrival]] = {destination: [] for destination in names}
    for arrival in ledger.arrivals:
        if arrival.event_id == recorded.event_id and arrival.event_name == names.get(arrival.destination):
            arrivals[arrival.destination].append(arrival)
    return Proof(recorded, names, arrivals)


def problems(visit: Visit, found: Sequence[Proof], ledger: Ledger) -> Iterator[str]:
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
                if arrival.verdict not in _ALLOWED[destination]:
                    yield f"{where}: {arrival.verdict}."
                yield from (f"{where}: {problem.field} {problem.why}." for problem in arrival.problems)
    counted = sum(arrival.verdict == "counted" for arrival in ledger.arrivals)
    if counted > expected:
        yield f"The sandbox counted {counted} events where {expected} were expected."


def show(console: Console, found: Sequence[Proof]) -> None:
    """Print two tables of at most 100 columns: what arrived, and the identifiers in it."""
    what = Table("step", "at Meta", "at GA4", "event_id", box=box.SIMPLE, show_edge=False, padding=(0, 1, 0, 0))
    for proof in found:
        what.add_row(proof.recorded.step, proof.names.get("meta"), proof.names.get("ga4"), proof.recorded.event_id)
    console.print(what)
    console.print()

    who = Table(box=box.SIMPLE, show_edge=False, padding=0)
    for header in ("step", "Meta", *META_KEYS.values(), "EMQ", " GA4", *GA4_KEYS.values()):
        who.add_column(header, no_wrap=True, justify="right" if header == " GA4" else "left", min_width=2)
    for proof in found:
        meta, ga4 = proof.arrivals.get("meta", []), proof.arrivals.get("ga4", [])
        user_data, person = _user_data(meta), _ga4_person(ga4)
        who.add_row(
            proof.recorded.step,
            _verdict(meta),
            *(_mark(user_data, key) for key in META_KEYS),
            f"{estimate(user_data):.1f}",
            _verdict(ga4),
            *(_mark(person, key) for key in GA4_KEYS),
        )
    console.print(who)
    console.print()
    console.print(LEGEND, style="dim", highlight=False)


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


def _mark(data: dict[str, Any], key: str) -> str:
    return "✅" if data.get(key) else "·"


def _user_data(arrivals: Sequence[Arrival]) -> dict[str, Any]:
    return dict(msgspec.json.decode(arrivals[-1].payload).get("user_data", {})) if arrivals else {}


def _ga4_person(arrivals: Sequence[Arrival]) -> dict[str, Any]:
    """Return what GA4 received about the person, in one mapping."""
    if not arrivals:
        return {}
    envelope: dict[str, Any] = msgspec.json.decode(arrivals[0].envelope)
    params = msgspec.json.decode(arrivals[0].payload).get("params", {})
    return {**envelope, **envelope.get("user_data", {}), "session_id": params.get("session_id")}
