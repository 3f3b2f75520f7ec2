"""Toy, as the sandbox plays it."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from aiohttp import web

from dispatcher.sandbox import wire
from dispatcher.sandbox.exchange import RequestRejectedError, exchange
from dispatcher.sandbox.faults import COMMON, Fault
from dispatcher.sandbox.fields import fields
from dispatcher.sandbox.ledger import NOTHING, ParsedEvent
from dispatcher.sandbox.problem import Problem
from dispatcher.sandbox.stand_in import Proof, Shown, StandIn
from dispatcher.sandbox.state import SANDBOX, same_secret
from toy_kind.kind import KIND


def judge(event):
    """Return the violations of Toy's rules: a name, a ref, and somebody who plays."""
    found = [Problem(name, "is required", "2") for name in ("action", "ref") if not event.get(name)]
    return found if event.get("who") else [*found, Problem("who", "is nobody", "2")]


class Endpoint:
    """`POST /toy/{account}/events`."""

    destination = KIND.name

    def instead(self, sandbox, record):  # noqa: ARG002
        """See `dispatcher.sandbox.exchange.Endpoint`."""
        codes = {"http_500": 500, "http_503": 503, "html_502": 502, "throttled": 429, "key_lost": 401}
        return web.Response(status=codes[record.fault]) if record.fault in codes else None

    def parse(self, request, sandbox, record, body):
        """See `dispatcher.sandbox.exchange.Endpoint`."""
        if not same_secret(sandbox.accepted[KIND.name].secret, request.headers.get("X-Key")):
            raise RequestRejectedError("1", web.Response(status=401), [])
        events = wire.parse(body)
        parsed = [
            ParsedEvent(event["action"], event["ref"], wire.raw(event), judge(event), repeat_seconds=86_400)
            for event in events
        ]
        if wrong := [each for each in parsed if each.problems or sandbox.faults[KIND.name].plan.rejects(each.event_id)]:
            raise RequestRejectedError("2", web.Response(status=422), wrong)
        record.events = len(parsed)
        return parsed, NOTHING

    def accepted(self, record):
        """See `dispatcher.sandbox.exchange.Endpoint`."""
        return web.json_response({"accepted": record.events})

    def garbage(self):
        """See `dispatcher.sandbox.exchange.Endpoint`."""
        return web.Response(text="building blocks")


def person(arrivals):
    """Return who was sent last."""
    return msgspec.json.decode(arrivals[-1].payload)["who"] if arrivals else {}


class ToyStandIn(StandIn):
    """Toy's API of one endpoint."""

    kind = KIND
    title = "Toy Ads"
    nested = frozenset({"who", "what"})
    faults: ClassVar = {**COMMON, "key_lost": Fault("instead", "HTTP 401", is_halting=True)}
    proof = Proof({"mail": "ml", "kid": "kd"}, person, legend=("ml kd                 Toy's mail and kid",))

    def add_routes(self, app):
        """Add the paths."""
        app.router.add_post("/toy/{account}/events", self._events)
        app.router.add_get("/toy/{account}", self._account)

    def show(self, arrival, event, shared, invalid):  # noqa: ARG002
        """Return who plays."""
        who = fields(event, {"who.mail": "Mail", "who.kid": "Kid"}, {"what.worth": "Worth"}, invalid)
        return Shown([("Who plays", who)], 0.5, "½", "Playfulness")

    async def _events(self, request):
        return await exchange(Endpoint(), request, request.match_info["account"])

    async def _account(self, request):
        is_known = same_secret(request.app[SANDBOX].accepted[KIND.name].secret, request.headers.get("X-Key"))
        return web.json_response({}, status=200 if is_known else 401)


STAND_IN = ToyStandIn()
