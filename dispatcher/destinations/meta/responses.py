"""What Meta's responses mean, by number. Their texts are localised and may quote what was sent."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeGuard

import msgspec

from dispatcher.destinations.base import Outcome, Reply, Response

# code, subcode (None: any other), outcome, reason.
# Sources: Graph API error handling; Marketing API error codes; the subcodes of the Conversions API as senders saw them.
CODES: tuple[tuple[int, int | None, Outcome, str], ...] = (
    (1, None, Outcome.TRANSIENT, "unknown error at Meta"),
    (2, None, Outcome.TRANSIENT, "service unavailable at Meta"),
    (341, None, Outcome.TRANSIENT, "temporary limit at Meta"),
    (368, None, Outcome.TRANSIENT, "temporarily blocked by Meta"),
    (5000, None, Outcome.TRANSIENT, "unknown error at Meta"),
    (21009, None, Outcome.TRANSIENT, "data set temporarily not ready"),
    (4, None, Outcome.THROTTLED, "application rate limit"),
    (17, None, Outcome.THROTTLED, "user rate limit"),
    (32, None, Outcome.THROTTLED, "page rate limit"),
    (613, None, Outcome.THROTTLED, "rate limit"),
    (190, None, Outcome.HALTED, "access token invalid or expired"),
    (102, None, Outcome.HALTED, "access token invalid or expired"),
    (3, None, Outcome.HALTED, "permission missing"),
    (10, None, Outcome.HALTED, "permission missing"),
    (100, 33, Outcome.HALTED, "pixel unknown, or the token may not use it"),
    (100, 34, Outcome.HALTED, "pixel unknown, or the token may not use it"),
    (2044055, None, Outcome.HALTED, "data set does not exist"),
    (2635, None, Outcome.HALTED, "API version expired; set META_API_VERSION"),
    (100, 2804030, Outcome.HALTED, "data set needs a choice for Limited Data Use"),
    (100, 2804003, Outcome.REJECTED, "event time too old"),
    (100, 2804001, Outcome.REJECTED, "click id malformed"),
    (100, 2804009, Outcome.REJECTED, "missing value"),
    (100, 2804050, Outcome.REJECTED, "insufficient identity"),
    (100, None, Outcome.REJECTED, "invalid parameter"),
)
FAMILIES: tuple[tuple[range, Outcome, str], ...] = (
    (range(200, 300), Outcome.HALTED, "permission missing"),
    (range(80000, 80100), Outcome.THROTTLED, "rate limit"),
)
"""Ranges of codes: API permissions, and the rate limits of Meta's business use cases."""
_BY_NUMBER = {(code, subcode): (outcome, reason) for code, subcode, outcome, reason in CODES}

THROTTLE_SECONDS = 60.0
"""How long to back off if Meta does not say; its limits are counted by the hour."""
ALMOST_ALL = 95.0
"""Percent of a rate limit from which sending pauses before Meta refuses."""
_BUSINESS_USAGE = "X-Business-Use-Case-Usage"
LONGEST_WAIT = 3600.0
_TRACE = re.compile(r"[A-Za-z0-9_-]{1,64}")


_Number = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]  # the range of an integer column


class _Error(msgspec.Struct):
    code: _Number | None = None
    error_subcode: _Number | None = None
    is_transient: bool | None = None
    fbtrace_id: Any = None


class _ErrorBody(msgspec.Struct):
    events_received: int | None = None
    fbtrace_id: Any = None
    error: _Error | None = None


_decode = msgspec.json.Decoder(_ErrorBody, strict=False).decode


def classify(reply: Reply, *, sent: int) -> Response:
    """Return what the reply to a request with `sent` events means. Pure; never raise."""
    body = _parse(reply.body)
    if body and body.error and body.error.code is not None and not 200 <= reply.status < 300:
        return _by_code(reply, body.error)
    trace = _trace(body.fbtrace_id if body else None)
    if reply.status == 200:
        if body is None or body.events_received is None:
            return Response(Outcome.UNCERTAIN, "response not understood", reply.status)
        if body.events_received != sent:
            return Response(Outcome.UNCERTAIN, "events_received differs from what was sent", reply.status, trace=trace)
        if (used := _used(reply)) >= ALMOST_ALL:
            return Response(
                Outcome.DELIVERED, f"{used:.0f} % of the rate limit used", 200, trace=trace, wait=_wait(reply)
            )
        return Response(Outcome.DELIVERED, None, reply.status, trace=trace)
    return _by_status(reply)


def _by_code(reply: Reply, error: _Error) -> Response:
    assert error.code is not None
    outcome, reason = _look_up(error.code, error.error_subcode)
    if error.is_transient and outcome is Outcome.REJECTED:
        outcome = Outcome.TRANSIENT
    wait = _wait(reply) if outcome is Outcome.THROTTLED else None
    trace = _trace(error.fbtrace_id)
    return Response(outcome, reason, reply.status, error.code, error.error_subcode, trace, wait)


def _look_up(code: int, subcode: int | None) -> tuple[Outcome, str]:
    """Return outcome and reason of an error. An unknown one says nothing against the events: they are retried."""
    for listed in ((code, subcode), (code, None)):
        if found := _BY_NUMBER.get(listed):
            return found
    for family, outcome, reason in FAMILIES:
        if code in family:
            return outcome, reason
    return Outcome.TRANSIENT, "unknown error code"


def _by_status(reply: Reply) -> Response:
    """Classify a reply that is not in Meta's format: from a proxy, an edge server, or something else."""
    status = reply.status
    if status == 429:
        return Response(Outcome.THROTTLED, "too many requests", status, wait=_wait(reply))
    if status in {401, 407}:
        return Response(Outcome.HALTED, "access token refused", status)
    if 300 <= status < 400:
        return Response(Outcome.HALTED, "redirected; check META_CAPI_BASE_URL", status)
    if status in {502, 504} or 200 <= status < 300:
        # A gateway that got no response does not know whether Meta accepted the events.
        return Response(
            Outcome.UNCERTAIN, "gateway got no response" if status >= 500 else "response not understood", status
        )
    if status >= 500:
        return Response(Outcome.TRANSIENT, "server error", status)
    # Without an error code of Meta's, the events were not rejected for good.
    return Response(Outcome.TRANSIENT, "refused before reaching Meta", status)


def _wait(reply: Reply) -> float:
    """Return the seconds to wait: Retry-After, or the regain time of the usage headers (which is in minutes)."""
    if (stated := reply.headers.get("Retry-After", "")).isdecimal():
        return min(float(stated), LONGEST_WAIT)
    regain = [usage.get("estimated_time_to_regain_access") for usage in _usages(reply.headers.get(_BUSINESS_USAGE))]
    minutes = max((float(value) for value in regain if _is_share(value)), default=0.0)
    return min(minutes * 60 or THROTTLE_SECONDS, LONGEST_WAIT)


def _used(reply: Reply) -> float:
    """Return the largest used share of a rate limit, in percent, from the usage headers."""
    shares: list[float] = [0.0]
    for header in ("X-App-Usage", "X-Ad-Account-Usage", _BUSINESS_USAGE):
        for usage in _usages(reply.headers.get(header)):
            shares.extend(
                float(usage[name])
                for name in ("call_count", "total_cputime", "total_time", "acc_id_util_pct")
                if _is_share(usage.get(name))
            )
    return max(shares)


def _is_share(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and 0 <= value < 1e9


def _usages(header: str | None) -> list[dict[str, Any]]:
    """Return the usage records of a header: it is one, or holds lists of them by business."""
    try:
        usage = msgspec.json.decode(header or "null")
    except (msgspec.DecodeError, RecursionError):
        return []
    if not isinstance(usage, dict):
        return []
    nested = [entry for entries in usage.values() if isinstance(entries, list) for entry in entries]
    return [entry for entry in nested if isinstance(entry, dict)] or [usage]


def _parse(body: bytes) -> _ErrorBody | None:
    try:
        return _decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _trace(value: Any) -> str | None:
    """Return a trace id if it looks like one; it is the only text of a reply that is kept."""
    return value if isinstance(value, str) and _TRACE.fullmatch(value) else None
