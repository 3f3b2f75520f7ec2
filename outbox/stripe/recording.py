"""Record Stripe's events in the transaction of a connection: one statement, or two where something is remembered.

The database's own errors are passed on unchanged: answer 503, and Stripe delivers the event again.
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
from outbox.stripe.state import SubscriptionState

TOLERANCE = 300  # seconds that a signature is valid; Stripe makes a new one for each delivery attempt

_RECORD = "SELECT outbox.record_many({}::jsonb)"
_AHEAD = timedelta(days=7)

# Yields a statement and its parameter, and is sent the statement's result.
Steps = Generator[tuple[str, bytes], Any, "RecordingResult"]


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """The result of recording an event. Answer 200 to each.

    `recorded`: it stands for conversions; `ids` are their rows (`outbox.event.id`), for repeats those of the first time.
    `remembered`: it stands for none, but may matter to a later event. `ignored`: nothing in it counts.
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

    `payload` is the unchanged body; `signature` the header `Stripe-Signature`; `secret` the endpoint's signing secret
    (`whsec_…`); `region` the region of national phone numbers, by default `OUTBOX_PHONE_REGION`. `connection` is of any
    kind that `outbox.record` takes.

    Return an `RecordingResult`, or an awaitable of one for an asynchronous connection. Raise `SignatureError`,
    `ConnectionTypeError`, or the driver's own error.
    """
    return record_event(connection, verified(payload, signature, secret=secret), rules=rules, region=region)


def record_event(
    connection: Any, event: Mapping[str, Any] | stripe.Event, *, rules: Rules | None = None, region: str | None = None
) -> Any:
    """Record the conversions of an event that the CRM's own handler has verified. Otherwise like `record`."""
    content = event if isinstance(event, Mapping) else event.to_dict()
    steps = _steps(content, rules or Rules(), region or phone_region())
    if iscoroutinefunction(getattr(connection, "execute", None)):
        return _run_asynchronously(connection, steps)
    return _run(connection, steps)


def verified(payload: bytes, signature: str | None, *, secret: str) -> dict[str, Any]:
    """Return the event in a webhook. Raise `SignatureError` unless Stripe signed it within the last 300 s."""
    if not secret.strip():
        raise SignatureError("secret: missing; give the signing secret of the webhook endpoint, whsec_…")
    try:
        body = payload.decode("utf-8")
        stripe.WebhookSignature.verify_header(body, signature or "", secret, TOLERANCE)
        event = json.loads(body)
    except (stripe.SignatureVerificationError, ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        # Stripe's own error holds the whole body, so it is not passed on.
        raise SignatureError("signature: does not match this body and secret, or is not from the last 300 s")
    return event


def _steps(event: Mapping[str, Any], rules: Rules, region: str | None) -> Steps:
    reading = read_event(event, rules)
    if reading is None:
        return RecordingResult("ignored")
    remembered = SubscriptionState()
    if reading.observed:
        result = yield state.REMEMBER, state.write(reading.observed)
        remembered = state.read(result)
    conversions = [within_reach(conversion) for conversion in reading.conversions(remembered)]
    if not conversions:
        return RecordingResult("remembered")
    ids: Sequence[int] = yield _RECORD, encode_all(conversions, region=region)
    return RecordingResult("recorded", tuple(ids))


def within_reach(conversion: Conversion) -> Conversion:
    """Return the conversion without its time if that is 7 days ahead or more, as with Stripe's test clocks.

    The log refuses such times. Without one, the conversion happens now.
    """
    at = conversion.occurred_at
    return replace(conversion, occurred_at=None) if at and at - datetime.now(UTC) >= _AHEAD else conversion


def _run(connection: Any, steps: Steps) -> RecordingResult:
    result = None
    while True:
        try:
            statement, parameter = steps.send(result)
        except StopIteration as end:
            outcome: RecordingResult = end.value
            return outcome
        result = execute(connection, statement, parameter)


async def _run_asynchronously(connection: Any, steps: Steps) -> RecordingResult:
    result = None
    while True:
        try:
            statement, parameter = steps.send(result)
        except StopIteration as end:
            outcome: RecordingResult = end.value
            return outcome
        result = await execute(connection, statement, parameter)
