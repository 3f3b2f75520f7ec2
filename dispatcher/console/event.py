"""One event: its way from the CRM to each destination, what each was told, and what it would be told now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiohttp import web

from dispatcher.console.events import State, states
from dispatcher.console.formatting import label, span
from dispatcher.console.request import ConsoleRequest
from dispatcher.identity.fragments import EPOCH, position
from dispatcher.identity.graph import Kind
from dispatcher.preview.masking import key
from dispatcher.preview.payloads import previews
from dispatcher.reasons import explain

LOOKED_AT = 100_000
"""So many deliveries of each destination are looked at for when one is due."""
REVISIONS = {
    "merge": "A merge told more of the person: it is sent again, enriched",
    "requeued": "Requeued: owed once more",
}


class Shown(msgspec.Struct, frozen=True):
    """The event itself; never a word of the person's."""

    id: int
    occurred_at: datetime
    recorded_at: datetime
    name: str
    event_id: str
    handl_id: str | None
    lead_id: str | None
    account_id: str | None
    value: str | None
    currency: str | None
    notes: list[str] | None


class Moment(msgspec.Struct, frozen=True):
    """A line of the timeline. `kind`: recorded, merged, revision, attempt, delivered, skipped, dead, owed."""

    at: datetime | None
    kind: str
    title: str
    destination: str | None = None
    says: str = ""
    answer: str = ""


class Telling(msgspec.Struct, frozen=True):
    """What one destination was told once: the names of the fields."""

    destination: str
    revision: int
    at: datetime
    fields: frozenset[str]


async def show(visit: ConsoleRequest) -> web.Response:
    """Give the page."""
    number = int(visit.request.match_info["id"])
    rows = await visit.run("read_event", {"id": number})
    if not rows:
        raise web.HTTPNotFound
    shown = Shown(*rows[0])
    history = await visit.run("read_history", {"id": number})
    waiting = await visit.run("find_pending", {"id": number, "most": LOOKED_AT})
    reached = (await states(visit, [number])).get(number, [])
    moments = [*_began(shown), *await _merged(visit, shown), *map(_moment, history)]
    moments.sort(key=lambda moment: moment.at or shown.recorded_at)
    told = [Telling(row[2], row[3], row[1], _names(row[11])) for row in history if row[11]]
    console = visit.console
    return visit.page(
        "event.html",
        event=shown,
        states=reached,
        moments=[*moments, *_pending(waiting, reached)],
        told=told,
        fields=_fields(told),
        previews=await previews(console.database, console.settings, console.config, number),
        encode=_pretty,
        is_over=not any(state.outcome == "pending" for state in reached) and not waiting,
    )


def _began(shown: Shown) -> Iterator[Moment]:
    yield Moment(shown.occurred_at, "recorded", "Happened")
    late = (shown.recorded_at - shown.occurred_at).total_seconds()
    says = f"{span(late)} after it happened" if late >= 1 else ""
    yield Moment(shown.recorded_at, "recorded", "Recorded by the CRM", says=says)


async def _merged(visit: ConsoleRequest, shown: Shown) -> list[Moment]:
    """Give who signed in on the event's browser or lead after it, first: that ties it to an account."""
    keys = [
        (kind, key, what)
        for kind, key, what in (
            (Kind.HANDL, shown.handl_id, "its browser (handlID)"),
            (Kind.LEAD, shown.lead_id, "its lead"),
        )
        if key
    ]
    if not keys or shown.account_id:
        return []
    at, _ = position(shown.occurred_at, shown.id)
    asked = {
        "kinds": [kind.value for kind, _, _ in keys],
        "keys": [key for _, key, _ in keys],
        "ats": [at] * len(keys),
        "ids": [shown.id] * len(keys),
    }
    found = []
    for number, _, _, before, after, by, account in await visit.run("find_sign_ins", asked):
        what = keys[number - 1][2]
        if before is not None:
            found.append(Moment(shown.occurred_at, "merged", f"Account {key(before)} had signed in on {what} before"))
        elif account is not None:
            when = EPOCH + timedelta(microseconds=after)
            found.append(Moment(when, "merged", f"Account {key(account)} signed in on {what}", says=f"by event {by}"))
    return found


def _moment(row: Sequence[Any]) -> Moment:
    kind, at, destination, revision, number, outcome, reason, status, code, subcode, trace, _ = row
    name = label(destination)
    if kind == "revision":
        return Moment(at, "revision", REVISIONS.get(reason, "Owed once more"), destination)
    answer = _answer(status, code, subcode, trace)
    explanation = explain(reason).says if reason else ""
    if kind == "attempt":
        outcomes = {
            "transient": "did not take it",
            "throttled": "asked to slow down",
            "uncertain": "gave no clear answer",
        }
        title = f"Try {number}: {name} {outcomes.get(outcome, outcome)}"
        return Moment(at, "attempt", title, destination, _with_reason(explanation, reason), answer)
    again = f" again (revision {revision})" if revision else ""
    titles = {
        "delivered": f"Delivered to {name}{again}",
        "skipped": f"Not sent to {name}",
        "failed": f"Given up at {name}{again}",
    }
    return Moment(at, outcome, titles[outcome], destination, _with_reason(explanation, reason), answer)


def _with_reason(explanation: str, reason: str | None) -> str:
    return f"{explanation} ({reason})" if reason else explanation


def _answer(status: int | None, code: int | None, subcode: int | None, trace: str | None) -> str:
    numbers = "/".join(str(part) for part in (code, subcode) if part is not None)
    parts = (
        f"HTTP {status}" if status is not None else "",
        f"code {numbers}" if numbers else "",
        f"trace {trace}" if trace else "",
    )
    return ", ".join(part for part in parts if part)


def _pending(waiting: Sequence[Sequence[Any]], reached: Sequence[State]) -> Iterator[Moment]:
    """Give what is still to come."""
    if any(name is None for name, _, _ in waiting):
        yield Moment(None, "pending", "Waits for intake")
        return
    due = {name: due_at for name, _, due_at in waiting}
    for state in reached:
        if state.outcome != "pending":
            continue
        name = label(state.destination)
        if state.destination not in due:
            yield Moment(None, "pending", f"Owed to {name}", state.destination)
        elif (due_at := due[state.destination]) is None:
            yield Moment(None, "pending", f"Being sent to {name}", state.destination)
        else:
            title = f"Owed to {name}; the next try is due {due_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
            yield Moment(None, "pending", title, state.destination)


def _names(sent: str) -> frozenset[str]:
    """Give the names of fields that were sent, without the digests."""
    return frozenset(name.partition(":")[0] for name in sent.split())


def _fields(told: Sequence[Telling]) -> list[str]:
    return sorted({field for merge_notice in told for field in merge_notice.fields})


def _pretty(body: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
