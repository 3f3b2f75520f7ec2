"""Meta's side of the sandbox: `POST /{version}/{pixel}/events`, the probe, and the Dataset Quality API."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from aiohttp import web

from dispatcher.sandbox import wire
from dispatcher.sandbox.exchange import Parsed, RequestRejectedError, exchange
from dispatcher.sandbox.faults import Faults
from dispatcher.sandbox.ledger import NOTHING, Ledger, ParsedEvent, RequestRecord
from dispatcher.sandbox.meta import dataset_quality as quality
from dispatcher.sandbox.meta import rules as meta
from dispatcher.sandbox.meta.errors import ERRORS, GraphError, answer, trace_id
from dispatcher.sandbox.problem import Problem
from dispatcher.sandbox.state import SANDBOX, Sandbox, same_secret

__all__ = ["add_routes"]

# The parameters of a request, besides its events, that may be kept and shown; the token is not among them.
ENVELOPE = ("test_event_code", "partner_agent", "upload_tag", "upload_id", "upload_source", "namespace_id")
CANNED = {
    "http_500": "1",
    "http_503": "2",
    "token_invalid": "190",
    "permission_denied": "10",
    "pixel_missing": "100/33",
    "version_dead": "2635",
}
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
GARBAGE = '{"events_received": 1, "mess'
QUALITY_WINDOW = 48 * 3600
REPEAT_SECONDS = 48 * 3600
"""How long the same event_name and event_id are dropped ("Handling Duplicate Pixel and Conversions API Events")."""


def add_routes(app: web.Application) -> None:
    """Add Meta's paths, which all begin with a version."""
    version = r"/{version:v\d{1,3}\.\d{1,2}}"
    app.router.add_post(version + "/{pixel}/events", _events)
    app.router.add_get(version + "/dataset_quality", _dataset_quality)
    app.router.add_get(version + "/{pixel}", _probe)
    app.router.add_route("*", version + "/{rest:.*}", _unknown_path)


class MetaEndpoint:
    """`POST /{version}/{pixel}/events`: accepts all events of a request, or none."""

    destination: ClassVar[str] = "meta"

    def instead(self, sandbox: Sandbox, record: RequestRecord) -> web.Response | None:
        """See Endpoint."""
        if code := CANNED.get(record.fault):
            record.error = code
            return _error(ERRORS[code])
        if record.fault == "html_502":
            return web.Response(status=502, text=BAD_GATEWAY, content_type="text/html")
        if record.fault == "throttled":
            faults = sandbox.faults["meta"]
            record.error = "4" if faults.toss() else "613"
            return _throttled(ERRORS[record.error], faults.plan.regain_minutes)
        return None

    def parse(self, request: web.Request, sandbox: Sandbox, record: RequestRecord, body: bytes | None) -> Parsed:
        """See Endpoint."""
        _check_version(request.match_info["version"], record.at)
        if body is None:
            raise _refused("413")
        try:
            content = wire.parse(body)
        except wire.NotJsonError:
            content = None
        parameters: dict[str, Any] = content if isinstance(content, dict) else {}
        _check_token(request, sandbox, parameters)
        _check_pixel(record.target, sandbox)
        data = parameters.get("data")
        if not isinstance(data, list) or not data:
            raise _refused("100", "data is required, and is a list of events")
        record.events = len(data)
        if len(data) > meta.MAX_EVENTS:
            raise _refused("100", f"data has more than {meta.MAX_EVENTS} events")
        parsed_events = _judge_all(data, sandbox.faults["meta"], record.at)
        return parsed_events, wire.raw({key: parameters[key] for key in ENVELOPE if key in parameters})

    def accepted(self, record: RequestRecord) -> web.Response:
        """See Endpoint."""
        received = record.events - 1 if record.fault == "wrong_received_count" else record.events
        return _json({"events_received": received, "messages": [], "fbtrace_id": trace_id()})

    def garbage(self) -> web.Response:
        """See Endpoint."""
        return web.Response(text=GARBAGE, content_type="application/json")


META = MetaEndpoint()


async def _events(request: web.Request) -> web.StreamResponse:
    return await exchange(META, request, request.match_info["pixel"])


def _judge_all(data: list[Any], faults: Faults, now: float) -> list[ParsedEvent]:
    """Return all events, or raise RefusedError with the invalid ones and the first one's problem."""
    parsed_events: list[ParsedEvent] = []
    offenders: list[ParsedEvent] = []
    code = detail = ""
    for i, event in enumerate(data):
        problems = meta.judge(event, now)
        parsed = _parsed_event(event, problems)
        if faults.plan.rejects(parsed.event_id):
            faults.injected["reject"] += 1
            problems.append(Problem("event_id", "is refused on demand", "100/2804016"))
        if problems and (fatal := next((problem for problem in problems if problem.fatal), None)):
            offenders.append(parsed)
            if not code:
                code, detail = fatal.code, f"data[{i}].{fatal.field} {fatal.why}"
        parsed_events.append(parsed)
    if offenders:
        raise RequestRejectedError(code, _error(ERRORS[code], detail), offenders)
    return parsed_events


def _parsed_event(event: object, problems: list[Problem]) -> ParsedEvent:
    fields: Mapping[str, Any] = event if isinstance(event, dict) else {}
    name, identifier = fields.get("event_name"), fields.get("event_id")
    return ParsedEvent(
        name if isinstance(name, str) else "",
        identifier if isinstance(identifier, str) else "",
        wire.raw(event),
        problems,
        repeat_seconds=REPEAT_SECONDS if identifier else 0,
    )


def _throttled(error: GraphError, regain_minutes: int) -> web.Response:
    usage = {"call_count": 100, "total_cputime": 100, "total_time": 100}
    regain = {"type": "ads_management", "estimated_time_to_regain_access": regain_minutes}
    response = _error(error)
    response.headers["X-App-Usage"] = msgspec.json.encode(usage).decode()
    response.headers["X-Business-Use-Case-Usage"] = msgspec.json.encode({"1000000000000001": [usage | regain]}).decode()
    return response


def _refused(code: str, detail: str = "") -> RequestRejectedError:
    """Return the refusal of a request whose events have not been examined."""
    problem = Problem("", detail or ERRORS[code].message, code)
    return RequestRejectedError(
        code, _error(ERRORS[code], detail), [ParsedEvent("", "", NOTHING, (problem,), kind="request")]
    )


def _check_version(version: str, now: float) -> None:
    ends = meta.VERSION_ENDS.get(version)
    if int(version[1:].partition(".")[0]) < meta.OLDEST_VERSION or (ends is not None and now >= ends):
        raise _refused("2635")


def _check_token(request: web.Request, sandbox: Sandbox, parameters: Mapping[str, Any]) -> None:
    """Refuse the request unless its token is valid. It may be in the header (preferred), the query or the body."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    given = token if scheme.lower() == "bearer" else request.query.get("access_token", parameters.get("access_token"))
    if not same_secret(sandbox.accepted["meta"].secret, given):
        raise _refused("190")


def _check_pixel(pixel: str, sandbox: Sandbox) -> None:
    if not pixel.isdecimal() or not _is_known(pixel, sandbox):
        raise _refused("100/33")


def _is_known(pixel: str, sandbox: Sandbox) -> bool:
    ids = sandbox.accepted["meta"].ids
    return ids is None or pixel in ids


async def _probe(request: web.Request) -> web.Response:
    """Answer `GET /{version}/{pixel}?fields=id` with the id, or the error that events would get. Record nothing."""
    sandbox = request.app[SANDBOX]
    if fault := sandbox.faults["meta"].draw_probe():
        return _error(ERRORS[CANNED[fault]])
    pixel = request.match_info["pixel"]
    try:
        _check_version(request.match_info["version"], sandbox.clock())
        _check_token(request, sandbox, {})
        _check_pixel(pixel, sandbox)
    except RequestRejectedError as refused:
        return refused.response
    return _json({"id": pixel})


async def _dataset_quality(request: web.Request) -> web.Response:
    """Answer with match quality per event name, from the website events counted in the last 48 h and still kept."""
    sandbox = request.app[SANDBOX]
    dataset = request.query.get("dataset_id", "")
    try:
        _check_version(request.match_info["version"], sandbox.clock())
        _check_token(request, sandbox, {})
        if not dataset.isdecimal() or not _is_known(dataset, sandbox):
            raise _refused("2044055")
    except RequestRejectedError as refused:
        return refused.response
    named = _recent_website_events(sandbox.ledger, dataset, sandbox.clock() - QUALITY_WINDOW)
    return _json({"web": [quality.feedback(name, events) for name, events in sorted(named.items())]} if named else {})


def _recent_website_events(ledger: Ledger, dataset: str, since: float) -> dict[str, list[Mapping[str, Any]]]:
    named: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for arrival in ledger.arrivals:
        is_counted = arrival.destination == "meta" and arrival.target == dataset and arrival.verdict == "counted"
        if is_counted and arrival.at >= since:
            event = arrival.event
            if event["action_source"] == "website":
                named[arrival.event_name].append(event)
    return named


async def _unknown_path(_request: web.Request) -> web.Response:
    return _error(ERRORS["2500"])


def _error(error: GraphError, detail: str = "") -> web.Response:
    return _json(answer(error, detail), error.status)


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")
