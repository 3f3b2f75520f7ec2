"""Recording what Stripe tells, in the transaction of a connection: one statement, two where something must be remembered.

The database's own errors are passed on as they are: answer 503, and Stripe comes back.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from inspect import iscoroutinefunction
from typing import Any, Literal

import stripe

from outbox.conversions import Conversion
from outbox.encoding import encode_all
from outbox.errors import SignatureError
from outbox.record import execute, phone_region
from outbox.stripe import state
from outbox.stripe.events import read_event
from outbox.stripe.rules import Rules
from outbox.stripe.state import Memory

TOLERANCE = 300  # seconds that a signature holds; Stripe makes a new one for each attempt to deliver

_RECORD = "SELECT outbox.record_many({}::jsonb)"
_AHEAD = timedelta(days=7)

# A statement and its parameter; what is sent back is its value.
Steps = Generator[tuple[str, bytes], Any, "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event: answer 200 for each.

    `recorded`: it stands for conversions; `ids` are their rows (`outbox.event.id`), the first ones' if they are repeats.
    `remembered`: it stands for none, but what it tells may matter to a later one. `ignored`: nothing in it counts.
    """

    status: Literal["recorded", "remembered", "ignored"]
    ids: tuple[int, ...] = ()


def record(
    connection: Any,
    payload: bytes,
    signature: str | None,
    *,
    secret: str,
    rules: Rules | None = None,
    region: str | None = None,
) -> Any:
    """Verify a webhook, and record the conversions that its event stands for, in the transaction of `connection`.

    `payload` is the body as it came, byte by byte; `signature` the header `Stripe-Signature`; `secret` the endpoint's
    signing secret (`whsec_…`); `region` the region of national phone numbers, by default `OUTBOX_PHONE_REGION`.
    `connection` is of any kind that `outbox.record` takes.

    Returns an `Outcome`, to be awaited of an asynchronous connection. Raises `SignatureError`, `ConnectionTypeError`, or
    the driver's own error.
    """
    return record_event(connection, verified(payload, signature, secret=secret), rules=rules, region=region)


def record_event(
    connection: Any, event: Mapping[str, Any] | stripe.Event, *, rules: Rules | None = None, region: str | None = None
) -> Any:
    """Record the conversions that an event stands for, which the CRM's own handler has verified; else as `record`."""
    known = event if isinstance(event, Mapping) else event.to_dict()
    steps = _steps(known, rules or Rules(), region or phone_region())
    if iscoroutinefunction(getattr(connection, "execute", None)):
        return _run_asynchronously(connection, steps)
    return _run(connection, steps)


def verified(payload: bytes, signature: str | None, *, secret: str) -> dict[str, Any]:
    """Give the event that is inside a webhook, if its signature proves that Stripe sent it within the last 300 s."""
    if not secret.strip():
        raise SignatureError("secret: missing; give the signing secret of the webhook endpoint, whsec_…")
    try:
        body = payload.decode("utf-8")
        stripe.WebhookSignature.verify_header(body, signature or "", secret, TOLERANCE)
        event = json.loads(body)
    except (stripe.SignatureVerificationError, ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        # Stripe's own error holds the whole body, so nothing of it is passed on.
        raise SignatureError("signature: not one of Stripe's for this body, this secret and this time")
    return event


def _steps(event: Mapping[str, Any], rules: Rules, region: str | None) -> Steps:
    reading = read_event(event, rules)
    if reading is None:
        return Outcome("ignored")
    known = Memory()
    if reading.told:
        answer = yield state.REMEMBER, state.write(reading.told)
        known = state.read(answer)
    conversions = [within_reach(conversion) for conversion in reading.conversions(known)]
    if not conversions:
        return Outcome("remembered")
    ids: Sequence[int] = yield _RECORD, encode_all(conversions, region=region)
    return Outcome("recorded", tuple(ids))


def within_reach(conversion: Conversion) -> Conversion:
    """Let what happens in the future of one of Stripe's test clocks happen now: the log takes no time so far ahead."""
    at = conversion.occurred_at
    return replace(conversion, occurred_at=None) if at and at - datetime.now(UTC) >= _AHEAD else conversion


def _run(connection: Any, steps: Steps) -> Outcome:
    answer = None
    while True:
        try:
            statement, parameter = steps.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        answer = execute(connection, statement, parameter)


async def _run_asynchronously(connection: Any, steps: Steps) -> Outcome:
    answer = None
    while True:
        try:
            statement, parameter = steps.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        answer = await execute(connection, statement, parameter)
