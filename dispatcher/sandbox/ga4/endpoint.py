"""GA4's side of the sandbox: `POST /mp/collect`, which never reports problems, and `POST /debug/mp/collect`, which does."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from aiohttp import web

from dispatcher.sandbox import wire
from dispatcher.sandbox.exchange import Parsed, exchange
from dispatcher.sandbox.ga4 import rules as ga4
from dispatcher.sandbox.ledger import NOTHING, ParsedEvent, RequestRecord
from dispatcher.sandbox.problem import Problem
from dispatcher.sandbox.state import SANDBOX, Sandbox, same_secret

__all__ = ["ENRICHMENT", "add_routes"]

# The name under which a request with user data and no events is counted; no event can have it.
ENRICHMENT = "(user data)"
BAD_GATEWAY = "<html><head><title>502 Server Error</title></head><body><h1>Error: Server Error</h1></body></html>"
GARBAGE = "GIF89a\x01"


def add_routes(app: web.Application) -> None:
    """Add GA4's paths."""
    app.router.add_post("/mp/collect", _collect)
    app.router.add_post("/debug/mp/collect", _debug)


class GA4Endpoint:
    """`POST /mp/collect`: always answers 204."""

    destination: ClassVar[str] = "ga4"

    def instead(self, sandbox: Sandbox, record: RequestRecord) -> web.Response | None:
        """See Endpoint."""
        if record.fault in ("http_500", "http_503"):
            return web.Response(status=int(record.fault.removeprefix("http_")))
        if record.fault == "html_502":
            return web.Response(status=502, text=BAD_GATEWAY, content_type="text/html")
        if record.fault == "throttled":
            return web.Response(status=429, headers={"Retry-After": str(sandbox.faults["ga4"].plan.retry_after)})
        return None

    def parse(self, request: web.Request, sandbox: Sandbox, record: RequestRecord, body: bytes | None) -> Parsed:
        """See Endpoint. Nothing is ever refused."""
        content, shared = _read(body)
        shared += _query_problems(request, sandbox, record)
        if content is None:
            return [ParsedEvent("", "", NOTHING, shared, kind="request")], NOTHING
        judgement = ga4.judge(content, record.at)
        shared += judgement.envelope
        fields: dict[str, Any] = content if isinstance(content, dict) else {}
        envelope = wire.raw({key: value for key, value in fields.items() if key != "events"})
        if judgement.events:
            judged = zip(fields["events"], judgement.events, strict=True)
            return [_parsed_event(event, shared + problems) for event, problems in judged], envelope
        if fields.get("user_data") and not fields.get("events"):
            who = fields.get("user_id", fields.get("client_id"))
            return [
                ParsedEvent(ENRICHMENT, who if isinstance(who, str) else "", NOTHING, shared, kind="enrichment")
            ], envelope
        return [ParsedEvent("", "", NOTHING, shared, kind="request")], envelope

    def accepted(self, record: RequestRecord) -> web.Response:  # noqa: ARG002 - the same for all
        """See Endpoint."""
        return web.Response(status=204)

    def garbage(self) -> web.Response:
        """See Endpoint."""
        return web.Response(text=GARBAGE, content_type="image/gif")


_GA4 = GA4Endpoint()


async def _collect(request: web.Request) -> web.StreamResponse:
    return await exchange(_GA4, request, request.query.get("measurement_id", ""))


def _query_problems(request: web.Request, sandbox: Sandbox, record: RequestRecord) -> list[Problem]:
    found: list[Problem] = []
    accepted = sandbox.accepted["ga4"]
    if not record.target:
        found.append(Problem("measurement_id", "is required in the query.", "VALUE_REQUIRED"))
    elif accepted.ids is not None and record.target not in accepted.ids:
        found.append(Problem("measurement_id", "is unknown: the request is silently dropped.", "VALUE_INVALID"))
    if not same_secret(accepted.secret, request.query.get("api_secret")):
        found.append(Problem("api_secret", "is missing or unknown: the request is silently dropped.", "VALUE_INVALID"))
    return found


def _read(body: bytes | None) -> tuple[Any, list[Problem]]:
    """Return the content of a body, None if it cannot be read, and the problems with its size or form."""
    if body is None or len(body) > ga4.MAX_BODY:
        problem = Problem("", f"The body is larger than {ga4.MAX_BODY // 1000} kB.", "VALUE_OUT_OF_BOUNDS")
        if body is None:
            return None, [problem]
        return _read_json(body), [problem]
    content = _read_json(body)
    if content is None:
        return None, [Problem("", "Unable to parse Measurement Protocol JSON payload.", "VALUE_INVALID")]
    return content, []


def _read_json(body: bytes) -> Any:
    try:
        return wire.parse(body)
    except wire.NotJsonError:
        return None


def _parsed_event(event: object, problems: list[Problem]) -> ParsedEvent:
    fields: dict[str, Any] = event if isinstance(event, dict) else {}
    name = fields.get("name")
    params = fields.get("params")
    if not isinstance(params, dict):
        params = {}
    transaction, identifier = params.get("transaction_id"), params.get("event_id")
    transaction = transaction if isinstance(transaction, str) else ""
    # "Minimize duplicate key events with transaction IDs"; the window is not documented, so it has none here.
    is_recognised = name == "purchase" and bool(transaction)
    return ParsedEvent(
        name if isinstance(name, str) else "",
        identifier if isinstance(identifier, str) else transaction,
        wire.raw(event),
        problems,
        transaction if is_recognised else "",
        None if is_recognised else 0,
    )


async def _debug(request: web.Request) -> web.Response:
    """Answer `{"validationMessages": […]}`. Record nothing, and check neither measurement_id nor api_secret."""
    content, messages = _read(await wire.read(request))
    if content is not None:
        strict = isinstance(content, dict) and content.get("validation_behavior") == "ENFORCE_RECOMMENDATIONS"
        messages += ga4.judge(content, request.app[SANDBOX].clock(), enforce=strict).all()
    found = [{"fieldPath": m.field, "description": m.why, "validationCode": m.code} for m in messages]
    return web.Response(
        body=msgspec.json.encode({"validationMessages": found}, order="deterministic"), content_type="application/json"
    )
