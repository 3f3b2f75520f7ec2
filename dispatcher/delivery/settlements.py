"""What a response means for each delivery that the request carried. Pure.

    ┌───────────────── returned (never tried; throttled and halted use up no try) ◀─┐
    ▼                                                                               │
pending ──▶ leased ──▶ sent ──▶ delivered ▪                                         │
               │         ├────▶ rejected ──▶ failed ▪                               │
               │         ├────▶ transient, uncertain ──▶ pending again, or failed ▪ (window closed)
               │         └────▶ throttled, halted ──────────────────────────────────┘
               └──▶ refused before sending: skipped ▪ or failed ▪
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatcher.delivery.eligibility import closed, deadline
from dispatcher.delivery.retry_policy import backoff, next_try
from dispatcher.destinations.base import Limits, Outcome, Payload, Response
from dispatcher.models import ClaimedDelivery, Delivery, Settlement
from dispatcher.reasons import Refusal


def settlement_for_refusal(
    delivery: Delivery | ClaimedDelivery, refusal: Refusal, account_id: str | None = None
) -> Settlement:
    """Return the settlement of a delivery that is refused before sending."""
    return Settlement(
        event_id=delivery.event.id,
        revision=delivery.revision,
        outcome=refusal.outcome,
        reason=refusal.reason,
        account_id=account_id,
    )


def settlement_of(row: tuple[int, int], refusal: Refusal) -> Settlement:
    """Settle a delivery that cannot even be read, given as (event id, revision)."""
    event_id, revision = row
    return Settlement(event_id=event_id, revision=revision, outcome=refusal.outcome, reason=refusal.reason)


def returned(delivery: Delivery | ClaimedDelivery, due_at: datetime) -> Settlement:
    """Return the settlement of a delivery that goes back to the queue untried, until `due_at`."""
    return Settlement(event_id=delivery.event.id, revision=delivery.revision, outcome="returned", due_at=due_at)


def settlement_for(
    payload: Payload, response: Response, limits: Limits, *, sent_at: datetime, now: datetime, jitter: float
) -> Settlement:
    """Return the settlement of one delivery by the response to its request, sent at `sent_at` and answered at `now`."""
    delivery = payload.delivery
    match response.outcome:
        case Outcome.DELIVERED:
            return _ended(payload, response, "delivered", None, sent_at)
        case Outcome.REJECTED:
            return _ended(payload, response, "failed", response.reason or "rejected", sent_at)
        case Outcome.THROTTLED | Outcome.HALTED:
            return returned(delivery, now + timedelta(seconds=response.wait or 0))
    unknown_at = sent_at if response.outcome is Outcome.UNCERTAIN else None
    closes = deadline(delivery, limits)
    if unknown_at and delivery.first_unknown_at is None and limits.repeat is not None:
        closes = min(closes, unknown_at + limits.repeat)
    if now >= closes:
        end = closed(delivery)
        return _ended(payload, response, end.outcome, end.reason, sent_at)
    return Settlement(
        event_id=delivery.event.id,
        revision=delivery.revision,
        outcome=response.outcome,
        reason=response.reason,
        status=response.status,
        code=response.code,
        subcode=response.subcode,
        trace=response.trace,
        due_at=next_try(now, backoff(delivery.tries + 1, jitter), closes),
        unknown_at=unknown_at,
    )


def _ended(payload: Payload, response: Response, outcome: str, reason: str | None, sent_at: datetime) -> Settlement:
    return Settlement(
        event_id=payload.delivery.event.id,
        revision=payload.delivery.revision,
        outcome=outcome,
        reason=reason,
        status=response.status,
        code=response.code,
        subcode=response.subcode,
        trace=response.trace,
        account_id=payload.account_id,
        sent=" ".join(payload.sent),
        sent_at=sent_at,
    )
