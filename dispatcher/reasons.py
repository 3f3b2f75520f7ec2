"""Why a delivery was skipped, failed or delayed, and what each reason means: a table.

`dispatcher.delivery` writes the reasons here, and destinations of every kind. The reasons that only one kind gives are in its
package; `dispatcher.destinations.registry.explain` looks a reason up in both.
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
RESEND_TOO_LATE = Refusal("skipped", "too late to send again")
CANNOT_REPEAT = Refusal("failed", "cannot be repeated")
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


Pattern = tuple[re.Pattern[str], Explanation]
"""Reasons that contain a name or a number."""

TOO_LATE = "These events can no longer be delivered. Find out why they waited, so that no more are lost."
TOKEN = "Put a new token in {secret}, then restart the dispatchers."  # noqa: S105 - what to do, not a token
BY_ITSELF = "Nothing: it is retried automatically."
NETWORK = (
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
    "too late to send again": Explanation(
        "It was delivered. Sending it again with what became known later would count twice by now."
    ),
    # Failed: needs attention.
    "window closed": Explanation(
        "The destination accepts events only for a limited time, and that time was over.", TOO_LATE
    ),
    "event time too old": Explanation(
        "The destination accepts events only for a limited time, and that time was over.", TOO_LATE
    ),
    "cannot be repeated": Explanation(
        "An earlier request may have delivered it, and it cannot be sent in the same way again: the destination's id has changed since, or the person has refused what was sent.",
        "Look in the destination whether it arrived. If it did not, nothing can send it without the risk that it counts twice.",
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
    # Halted: the destination stops until an operator acts; nothing is lost while the window is open.
    "access token invalid or expired": Explanation("The destination refuses the token.", TOKEN),
    "access token refused": Explanation("The destination refuses the token.", TOKEN),
    "not configured": Explanation(
        "The destination is not configured here.", "Add it to outbox.toml, then restart the dispatchers."
    ),
    # Throttled: the whole destination backs off.
    "too many requests": Explanation(
        "The destination asks for a lower rate.", "Nothing: sending resumes automatically."
    ),
    # Transient: certainly not accepted; retried.
    "server error": Explanation("The destination had an internal error.", BY_ITSELF),
    "unknown error code": Explanation("The destination responded with an unknown error code.", BY_ITSELF),
    # Uncertain: may have been accepted.
    "gateway got no response": Explanation(
        "A gateway got no response, so it is unknown whether the event arrived.", BY_ITSELF
    ),
    "response not understood": Explanation(
        "The response was not understood, so it is unknown whether the event arrived.", BY_ITSELF
    ),
    "events_received differs from what was sent": Explanation(
        "The destination counted a different number of events than was sent, so it is unknown which arrived.",
        BY_ITSELF,
    ),
    "worker lost": Explanation("The worker that sent it stopped before it received the response.", BY_ITSELF),
    "stopped while it was sent": Explanation("The dispatcher was stopped while it waited for the response.", BY_ITSELF),
    "lease expired": Explanation("The dispatcher that sent it died before it received the response.", BY_ITSELF),
    "lease taken by rebuild": Explanation("The projections were rebuilt while it was being sent.", BY_ITSELF),
    "restored from a backup": Explanation(
        "The database was restored, and the event may have been sent after the backup was made.", BY_ITSELF
    ),
    "timeout": Explanation("The destination did not respond in time.", BY_ITSELF),
}

PATTERNS: tuple[Pattern, ...] = (
    (
        re.compile(r"\S.* is not set"),
        Explanation("A setting is missing: {reason}.", "Set it, then restart the dispatchers."),
    ),
    (
        re.compile(r"refuses everything: .*"),
        Explanation(
            "The destination refused one event after the other for the same reason, so it is not the events: {reason}.",
            "Look up the reason, and in the destination what changed there. Sending resumes when a probe is accepted.",
        ),
    ),
    (
        re.compile(r"\w+(Error|Timeout|Exception|Disconnected)"),
        Explanation("The connection failed or broke off.", NETWORK),
    ),
)
"""Reasons that contain a name or a number, and the names of network errors."""

UNKNOWN = Explanation("It was not accepted.", "Look up the code, fix the cause, then requeue.", requeue=True)
