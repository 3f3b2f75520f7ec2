"""Meta's error responses as data: one row each, named by `code` or `code/subcode`.

Sources: Graph API "Handling errors", Marketing API "Error reference" (`is_transient`, throttling as HTTP 400 with codes
4, 17, 32, 613, 80000 and following), Conversions API "Troubleshooting". The titles are Meta's where they are known.
Meta localises them, so senders must classify by number.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

__all__ = ["ERRORS", "GraphError", "answer", "trace_id"]


class GraphError(msgspec.Struct, frozen=True):
    """One kind of refusal. `transient` None: Meta's response has no such field."""

    status: int
    code: int
    subcode: int | None
    type: str
    message: str
    title: str = ""
    transient: bool | None = False


_INVALID = "Invalid parameter"
_OAUTH = "OAuthException"
_LIMIT = "Request limit reached"

ERRORS: dict[str, GraphError] = {
    # The service itself
    "1": GraphError(500, 1, None, _OAUTH, "An unknown error occurred", transient=True),
    "2": GraphError(503, 2, None, _OAUTH, "Service temporarily unavailable", transient=True),
    # Throttling comes as HTTP 400
    "4": GraphError(400, 4, None, _OAUTH, "(#4) Application request limit reached", _LIMIT, transient=True),
    "613": GraphError(400, 613, 1487742, _OAUTH, "(#613) Calls to this api have exceeded the rate limit.", _LIMIT),
    # What stops the whole destination
    "190": GraphError(401, 190, None, _OAUTH, "Invalid OAuth access token - Cannot parse access token", transient=None),
    "10": GraphError(403, 10, None, _OAUTH, "(#10) Application does not have permission for this action"),
    "100/33": GraphError(
        400,
        100,
        33,
        "GraphMethodException",
        "Unsupported request. Object does not exist, cannot be loaded due to missing permissions, "
        "or does not support this operation.",
    ),
    "2635": GraphError(400, 2635, None, _OAUTH, "(#2635) You are calling a deprecated version of the Ads API."),
    "2500": GraphError(400, 2500, None, _OAUTH, "Unknown path components"),
    "2044055": GraphError(400, 100, 2044055, _OAUTH, _INVALID, "Dataset does not exist"),
    # Reasons to refuse an event, and its whole request with it
    "100": GraphError(400, 100, None, _OAUTH, _INVALID, _INVALID),
    "413": GraphError(413, 100, None, _OAUTH, "Request body is too large", _INVALID),
    "100/2804001": GraphError(400, 100, 2804001, _OAUTH, _INVALID, "Incorrectly formatted fbc"),
    "100/2804003": GraphError(400, 100, 2804003, _OAUTH, _INVALID, "Event Timestamp Too Old"),
    "100/2804009": GraphError(400, 100, 2804009, _OAUTH, _INVALID, "Missing value for Purchase"),
    "100/2804016": GraphError(400, 100, 2804016, _OAUTH, _INVALID, "Invalid event"),
    "100/2804030": GraphError(400, 100, 2804030, _OAUTH, _INVALID, "Limited Data Use selection required"),
    "100/2804050": GraphError(400, 100, 2804050, _OAUTH, _INVALID, "Insufficient customer information"),
}


def answer(error: GraphError, detail: str = "") -> dict[str, Any]:
    """Return the documented shape: `{"error": {message, type, code, error_subcode, is_transient, …, fbtrace_id}}`."""
    shape: dict[str, Any] = {"message": error.message, "type": error.type, "code": error.code}
    if error.subcode is not None:
        shape["error_subcode"] = error.subcode
    if error.transient is not None:
        shape["is_transient"] = error.transient
    if error.title:
        shape["error_user_title"] = error.title
        shape["error_user_msg"] = detail or error.message
    shape["fbtrace_id"] = trace_id()
    return {"error": shape}


def trace_id() -> str:
    """Return a new trace id in Meta's form: 23 characters that begin with A."""
    return "A" + secrets.token_urlsafe(16)
