"""Why a delivery was skipped, failed or delayed, and what each reason means: a table and one look-up.

    explain("missing value").says   "This event needs a value and a currency."
    explain("missing value").do     "Record value and currency with this step, or …"

`dispatcher.delivery` and the packages of `dispatcher.destinations` write the reasons.
"""

from __future__ import annotations

import re

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """Why a delivery is not sent: `skipped` (no action needed) or `failed` (needs attention)."""

    outcome: str
    reason: str


TOO_OLD = Refusal("skipped", "too old when recorded")
WINDOW_CLOSED = Refusal("failed", "window closed")
DISABLED = Refusal("skipped", "disabled")
NO_ROUTE = Refusal("skipped", "no route")
BROWSER_COPY = Refusal("skipped", "sent by the browser")
NO_CONSENT = Refusal("skipped", "consent")
CANNOT_BUILD = Refusal("failed", "cannot be built")
CANNOT_PROCESS = Refusal("failed", "cannot be processed")


class Explanation(msgspec.Struct, frozen=True):
    """A reason in plain English. `do`: what to do, empty if nothing. `requeue`: a requeue can succeed once that is done."""

    says: str
    do: str = ""
    requeue: bool = False


def explain(reason: str | None, *, secret: str = "the token") -> Explanation:  # noqa: S107 - the name of a variable
    """Return the explanation of a reason; `secret` is the name of the variable that holds the destination's token."""
    found = EXPLANATIONS.get(reason or "") or next(
        (explanation for pattern, explanation in PATTERNS if pattern.fullmatch(reason or "")), UNKNOWN
    )
    says, do = (text.replace("{secret}", secret).replace("{reason}", reason or "") for text in (found.says, found.do))
    return Explanation(says, do, found.requeue)


_TOO_LATE = "These events can no longer be delivered. Find out why they waited, so that no more are lost."
_BY_ITSELF = "Nothing: it is retried automatically."
_SLOWED = "Nothing: sending resumes after the time that Meta asked for."
_TOKEN = "Put a new token in {secret}, then restart the dispatchers."  # noqa: S105 - what to do, not a token
_PERMISSION = "Allow the token in {secret} to send to this pixel (Events Manager, Settings), or replace it and restart the dispatchers."
_PIXEL = "Compare META_PIXEL_ID with Events Manager and check that the token in {secret} belongs to that pixel; then restart the dispatchers."
_NETWORK = (
    "Nothing, if it passes. If it persists, check that this machine reaches the destination (DNS, firewall, proxy)."
)

EXPLANATIONS: dict[str, Explanation] = {
    # Skipped: no action needed.
    "too old when recorded": Explanation("It was recorded when the event was already too old for the destination."),
    "disabled": Explanation("The destination, or this step at it, is disabled."),
    "no route": Explanation("This step is not sent to this destination."),
    "sent by the browser": Explanation(
        "The browser sent the same event, and a server copy this late would count twice."
    ),
    "consent": Explanation("The person has not consented to the use of their data for advertising."),
    "erased": Explanation("The person was erased before it was sent."),
    # Failed: needs attention.
    "window closed": Explanation(
        "The destination accepts events only for a limited time, and that time was over.", _TOO_LATE
    ),
    "event time too old": Explanation(
        "The destination accepts events only for a limited time, and that time was over.", _TOO_LATE
    ),
    "missing value": Explanation(
        "This event needs a value and a currency.",
        "Record value and currency with this step, or give the step a default in outbox.toml; then requeue.",
        requeue=True,
    ),
    "insufficient identity": Explanation(
        "Too little is known about the person for a match.",
        "Record an e-mail address, phone, handlID, account or lead with this step; a requeue sends what is known by then.",
        requeue=True,
    ),
    "click id malformed": Explanation(
        "The click id (fbc) does not have Meta's format.",
        "Record fbc exactly as in the browser's _fbc cookie, or only fbclid exactly as in the page's address; then requeue.",
        requeue=True,
    ),
    "invalid parameter": Explanation(
        "Meta rejected one of its fields.",
        "Look at the event's payload and look up the code in Meta's documentation, fix what the CRM records, then requeue.",
        requeue=True,
    ),
    "too large": Explanation(
        "It is larger than the destination accepts.",
        "Record fewer or shorter details with this step; then requeue.",
        True,
    ),
    "rejected": Explanation("The destination rejected it.", "Look up the code, fix the cause, then requeue.", True),
    "cannot be built": Explanation(
        "Its payload could not be built. This is a bug in conversion-outbox.",
        "Please report it with the event's number, and requeue it after upgrading to a version with the fix.",
        requeue=True,
    ),
    "cannot be processed": Explanation(
        "Processing it stopped the dispatcher, or raised an error, every time. It was set aside so that it harms no other event.",
        "Report it with the event's number. Requeue it with the version that fixes it.",
        requeue=True,
    ),
    "cannot be written": Explanation(
        "The response of the destination could not be stored.", "Report it with the event's number."
    ),
    # Halted: the destination stops until somebody acts; nothing is lost while the window is open.
    "access token invalid or expired": Explanation("The destination refuses the token.", _TOKEN),
    "access token refused": Explanation("The destination refuses the token.", _TOKEN),
    "permission missing": Explanation("The token may not send to this pixel.", _PERMISSION),
    "pixel unknown, or the token may not use it": Explanation(
        "Meta does not know the pixel, or the token may not use it.", _PIXEL
    ),
    "data set does not exist": Explanation("Meta does not know the pixel.", _PIXEL),
    "API version expired; set META_API_VERSION": Explanation(
        "Meta has shut down this version of its API.",
        "Set META_API_VERSION to a current one, then restart the dispatchers.",
    ),
    "data set needs a choice for Limited Data Use": Explanation(
        "Meta requires a choice about Limited Data Use for this pixel.", "Make it in Events Manager, Settings."
    ),
    "redirected; check META_CAPI_BASE_URL": Explanation(
        "The configured address redirects elsewhere.", "Check META_CAPI_BASE_URL, then restart the dispatchers."
    ),
    "refused; check GA4_API_SECRET and GA4_MP_BASE_URL": Explanation(
        "The API secret is refused, or the address is wrong.",
        "Check {secret} and GA4_MP_BASE_URL, then restart the dispatchers.",
    ),
    "not configured": Explanation(
        "The destination is not configured here.", "Add it to outbox.toml, then restart the dispatchers."
    ),
    # Throttled: the whole destination backs off.
    "application rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "user rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "page rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "too many requests": Explanation(
        "The destination asks for a lower rate.", "Nothing: sending resumes automatically."
    ),
    # Transient: certainly not accepted; retried.
    "server error": Explanation("The destination had an internal error.", _BY_ITSELF),
    "unknown error at Meta": Explanation("Meta has a problem.", _BY_ITSELF),
    "service unavailable at Meta": Explanation("Meta has a problem.", _BY_ITSELF),
    "temporary limit at Meta": Explanation("Meta asks to try again later.", _BY_ITSELF),
    "temporarily blocked by Meta": Explanation(
        "Meta has temporarily blocked these requests.",
        "Check the account's quality in Events Manager; it is retried automatically.",
    ),
    "data set temporarily not ready": Explanation("Meta is not ready for this pixel yet.", _BY_ITSELF),
    "unknown error code": Explanation("The destination responded with an unknown error code.", _BY_ITSELF),
    "refused before reaching Meta": Explanation("A proxy or gateway on the way to Meta refused it.", _NETWORK),
    "refused before reaching GA4": Explanation("A proxy or gateway on the way to GA4 refused it.", _NETWORK),
    # Uncertain: may have been accepted.
    "gateway got no response": Explanation(
        "A gateway got no response, so it is unknown whether the event arrived.", _BY_ITSELF
    ),
    "response not understood": Explanation(
        "The response was not understood, so it is unknown whether the event arrived.", _BY_ITSELF
    ),
    "events_received differs from what was sent": Explanation(
        "The destination counted a different number of events than was sent, so it is unknown which arrived.",
        _BY_ITSELF,
    ),
    "worker lost": Explanation("The worker that sent it stopped before it received the response.", _BY_ITSELF),
    "stopped while it was sent": Explanation(
        "The dispatcher was stopped while it waited for the response.", _BY_ITSELF
    ),
    "lease expired": Explanation("The dispatcher that sent it died before it received the response.", _BY_ITSELF),
    "lease taken by rebuild": Explanation("The projections were rebuilt while it was being sent.", _BY_ITSELF),
    "restored from a backup": Explanation(
        "The database was restored, and the event may have been sent after the backup was made.", _BY_ITSELF
    ),
    "timeout": Explanation("The destination did not respond in time.", _BY_ITSELF),
}

PATTERNS: tuple[tuple[re.Pattern[str], Explanation], ...] = (
    (
        re.compile(r"\S.* is not set"),
        Explanation("A setting is missing: {reason}.", "Set it, then restart the dispatchers."),
    ),
    (re.compile(r"\d+ % of the rate limit used"), Explanation("The rate limit is nearly used up.", _SLOWED)),
    (
        re.compile(r"\w+(Error|Timeout|Exception|Disconnected)"),
        Explanation("The connection failed or broke off.", _NETWORK),
    ),
)
"""Reasons that contain a name or a number, and the names of network errors."""

UNKNOWN = Explanation("It was not accepted.", "Look up the code, fix the cause, then requeue.", requeue=True)
