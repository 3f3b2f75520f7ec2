"""Toy's API: how one event is built and sent, and what its answers mean."""

from __future__ import annotations

import msgspec

from dispatcher.consent import consent_of
from dispatcher.destinations import sanitize
from dispatcher.destinations.base import Outcome, Payload, Response
from dispatcher.destinations.http_client import Client
from dispatcher.reasons import NO_CONSENT, NO_ROUTE, Refusal
from toy_kind.kind import KIND


class Toy:
    """One account at Toy."""

    limits = KIND.limits

    def __init__(self, here):
        self.name = here.name
        self.dataset = here.settings.account_id
        self._here = here
        self._client = Client(
            f"{here.settings.base_url}/toy/{here.settings.account_id}/events",
            headers={"X-Key": here.settings.key.reveal()},
            timeout=self.limits.timeout,
        )

    def missing(self):
        """Return the variable of the key if it is not set."""
        return None if self._here.settings.key else self._here.variable

    def build(self, delivery, profile, route, now):
        """Return the payload of one event."""
        if consent_of(profile.consent, self._here.consent_default)["ad_user_data"] == "denied":
            return NO_CONSENT
        who, sent = sanitize.hashed_traits({"mail": profile.meta.get("em")}, ["mail"])
        if kid := sanitize.text(profile.visitor, "fbp"):
            who["kid"] = kid
            sent.append(sanitize.digest("kid", kid))
        if not who:
            return Refusal("failed", "insufficient identity")
        event = delivery.event
        value, _ = sanitize.money(event.details or {}, route)
        what = {name: found for name in ("form", "note") if (found := sanitize.safe_text(event.details or {}, name))}
        body = {
            "action": route.event_name,
            "ref": event.event_id,
            "at": int(delivery.event_time(now).timestamp()),
            "who": who,
            "what": {**route.parameters, **what, "worth": value},
        }
        return Payload(delivery, msgspec.json.encode(body), [*sent, *what], profile.account_id, identifiers=tuple(who))

    def build_merge(self, delivery, profile, now):  # noqa: ARG002
        """Refuse: there is nothing to say without an event."""
        return NO_ROUTE

    def requests(self, payloads):
        """Group payloads by five."""
        payloads = list(payloads)
        return [payloads[start : start + 5] for start in range(0, len(payloads), 5)]

    async def send(self, payloads):
        """Send one request."""
        return await self._client.post(b"[" + b",".join(payload.body for payload in payloads) + b"]", classify)

    async def close(self):
        """Close the connections."""
        await self._client.close()


def classify(reply):
    """Return what a reply means."""
    match reply.status:
        case 200:
            return Response(Outcome.DELIVERED, None, 200)
        case 401:
            return Response(Outcome.HALTED, "toy key refused", 401, 1)
        case 422:
            return Response(Outcome.REJECTED, "toy broken", 422, 2)
        case status:
            return Response(Outcome.TRANSIENT, "server error", status)
