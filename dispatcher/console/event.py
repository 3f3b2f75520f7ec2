"""The page of one event: its timeline, what was sent to each destination, and what would be sent now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from dispatcher.console.events import EventState, read_states
from dispatcher.console.formatting import span
from dispatcher.console.request import ConsoleRequest
from dispatcher.database.connections import rows_as
from dispatcher.destinations.registry import explain, label
from dispatcher.preview.payloads import previews

MAX_SEARCHED = 100_000
"""How many deliveries of each destination are searched for the event's due time."""
REVISIONS = {
    "merge": "A merge added data about the person: to be sent again, enriched",
    "requeued": "Requeued: to be sent again",
}


class EventDetails(msgspec.Struct, frozen=True):
    """The event itself, without personal data: a row of the query `read_event`."""

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
    """An entry of the timeline. `kind`: recorded, merged, revision, attempt, delivered, skipped, failed or pending."""

    at: datetime | None
    kind: str
    title: str
    destination: str | None = None
    says: str = ""
    response: str = ""


class SentFields(msgspec.Struct, frozen=True):
    """The names of the fields in one send to one destination."""

    destination: str
    revision: int
    at: datetime
    fields: frozenset[str]


async def show(request: ConsoleRequest) -> web.Response:
    """Return the page."""
    number = int(request.http.match_info["id"])
    events = rows_as(EventDetails, await request.run("read_event", {"id": number}))
    if not events:
        raise web.HTTPNotFound
    event = events[0]
    history = await request.run("read_history", {"id": number})
    pending = await request.run("find_pending", {"id": number, "most": MAX_SEARCHED})
    states = (await read_states(request, [number])).get(number, [])
    moments = [*_began(event), *map(_moment, history)]
    moments.sort(key=lambda moment: moment.at or event.recorded_at)
    sent = [SentFields(row.destination, row.revision, row.at, _names(row.sent)) for row in history if row.sent]
    console = request.console
    return request.page(
        "event.html",
        event=event,
        states=states,
        moments=[*moments, *_pending(pending, states)],
        sent=sent,
        fields=sorted({field for each in sent for field in each.fields}),
        previews=await previews(console.database, console.settings, console.config, number),
        encode=_pretty,
        is_finished=not any(state.outcome == "pending" for state in states) and not pending,
    )


def _began(event: EventDetails) -> Iterator[Moment]:
    yield Moment(event.occurred_at, "recorded", "Occurred")
    late = (event.recorded_at - event.occurred_at).total_seconds()
    says = f"{span(late)} after it occurred" if late >= 1 else ""
    yield Moment(event.recorded_at, "recorded", "Recorded by the CRM", says=says)


def _moment(row: Any) -> Moment:
    """Return the entry for a row of the query `read_history`."""
    at, destination, outcome, reason = row.at, row.destination, row.outcome, row.reason
    name = label(destination)
    if row.kind == "revision":
        return Moment(at, "revision", REVISIONS.get(reason, "To be sent again"), destination)
    response = _response(row.status, row.code, row.subcode, row.trace)
    explanation = explain(reason).says if reason else ""
    if row.kind == "attempt":
        outcomes = {
            "transient": "did not accept it",
            "throttled": "asked us to slow down",
            "uncertain": "gave no clear answer",
        }
        title = f"Attempt {row.number}: {name} {outcomes.get(outcome, outcome)}"
        return Moment(at, "attempt", title, destination, _with_reason(explanation, reason), response)
    again = f" again (revision {row.revision})" if row.revision else ""
    titles = {
        "delivered": f"Delivered to {name}{again}",
        "skipped": f"Not sent to {name}",
        "failed": f"Failed for good at {name}{again}",
    }
    return Moment(at, outcome, titles[outcome], destination, _with_reason(explanation, reason), response)


def _with_reason(explanation: str, reason: str | None) -> str:
    return f"{explanation} ({reason})" if reason else explanation


def _response(status: int | None, code: int | None, subcode: int | None, trace: str | None) -> str:
    numbers = "/".join(str(part) for part in (code, subcode) if part is not None)
    parts = (
        f"HTTP {status}" if status is not None else "",
        f"code {numbers}" if numbers else "",
        f"trace {trace}" if trace else "",
    )
    return ", ".join(part for part in parts if part)


def _pending(pending: Sequence[Any], states: Sequence[EventState]) -> Iterator[Moment]:
    """Return the entries for what is still to come."""
    if any(row.name is None for row in pending):
        yield Moment(None, "pending", "Waiting for intake")
        return
    due = {row.name: row.due_at for row in pending}
    for state in states:
        if state.outcome != "pending":
            continue
        name = label(state.destination)
        if state.destination not in due:
            yield Moment(None, "pending", f"Pending for {name}", state.destination)
        elif (due_at := due[state.destination]) is None:
            yield Moment(None, "pending", f"Being sent to {name}", state.destination)
        else:
            title = f"Pending for {name}; next attempt due {due_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
            yield Moment(None, "pending", title, state.destination)


def _names(sent: str) -> frozenset[str]:
    """Return the names of the fields that were sent, without their digests."""
    return frozenset(name.partition(":")[0] for name in sent.split())


def _pretty(body: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
