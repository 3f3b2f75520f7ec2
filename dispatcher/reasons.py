"""Why a delivery was skipped, failed or delayed, and what each reason means: data, and one look-up.

    explain("missing value").says   "It has no amount, which this event needs."
    explain("missing value").do     "Record value and currency with this step, or …"

Reasons are written by `dispatcher.delivery` and the packages of `dispatcher.destinations`.
"""

from __future__ import annotations

import re

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """Why a delivery is not sent: `skipped` (nobody need act) or `dead` (somebody should look)."""

    outcome: str
    reason: str


TOO_OLD = Refusal("skipped", "too old when recorded")
WINDOW_CLOSED = Refusal("failed", "window closed")
DISABLED = Refusal("skipped", "disabled")
NO_MAPPING = Refusal("skipped", "no route")
BROWSER_COPY = Refusal("skipped", "browser copy stands")
NO_CONSENT = Refusal("skipped", "consent")
CANNOT_BUILD = Refusal("failed", "cannot be built")
CANNOT_PROCESS = Refusal("failed", "cannot be processed")


class Explanation(msgspec.Struct, frozen=True):
    """A reason in plain words. `do`: empty if nobody need act. `requeue`: a dead letter may live once that is done."""

    says: str
    do: str = ""
    requeue: bool = False


def explain(reason: str | None, *, secret: str = "the token") -> Explanation:  # noqa: S107 - the name of a variable
    """Give the explanation of a reason; `secret` names the variable of the destination's token."""
    found = EXPLANATIONS.get(reason or "") or next(
        (explanation for pattern, explanation in PATTERNS if pattern.fullmatch(reason or "")), UNKNOWN
    )
    says, do = (text.replace("{secret}", secret).replace("{reason}", reason or "") for text in (found.says, found.do))
    return Explanation(says, do, found.requeue)


_TOO_LATE = "Too late for the destination: nothing brings these back. Find out why they waited, so that no more do."
_BY_ITSELF = "Nothing: it is tried again by itself."
_SLOWED = "Nothing: it goes on by itself when the time that Meta named is over."
_TOKEN = "Put a new token in {secret}, then restart the dispatchers."  # noqa: S105 - what to do, not a token
_PERMISSION = "Give the token of {secret} the permission to send to this pixel (Events Manager, Settings), or put another in its place and restart the dispatchers."
_PIXEL = "Compare META_PIXEL_ID with Events Manager, and see that the token in {secret} belongs to it; then restart the dispatchers."
_NETWORK = (
    "Nothing, if it passes. If it stays: see whether this machine reaches the destination (DNS, firewall, proxy)."
)

EXPLANATIONS: dict[str, Explanation] = {
    # Skipped: nobody need act.
    "too old when recorded": Explanation("It was recorded after the destination's window for it had closed."),
    "disabled": Explanation("The destination, or this step there, is switched off."),
    "no route": Explanation("This step is told to this destination under no name."),
    "browser copy stands": Explanation("The browser sent the same event, and a copy this late would count twice."),
    "consent": Explanation("The person has not consented to advertising data."),
    "erased": Explanation("The person was erased before it was sent."),
    # Dead: somebody should look.
    "window closed": Explanation("The destination takes events only for a while, and that was over.", _TOO_LATE),
    "event time too old": Explanation("The destination takes events only for a while, and that was over.", _TOO_LATE),
    "missing value": Explanation(
        "It has no amount, which this event needs.",
        "Record value and currency with this step, or give the step a default in outbox.toml; then requeue.",
        requeue=True,
    ),
    "insufficient identity": Explanation(
        "Too little is known of the person for a match.",
        "Record an e-mail, phone, handlID, account or lead with this step; what is learnt by then goes along with a requeue.",
        requeue=True,
    ),
    "click id malformed": Explanation(
        "The click id (fbc) does not look as Meta makes it.",
        "Record fbc as the browser's cookie _fbc has it, or only fbclid as it stands in the address; then requeue.",
        requeue=True,
    ),
    "invalid parameter": Explanation(
        "Meta refused a field of it.",
        "Look at the event's payload and at the code in Meta's documentation, mend what the CRM records, then requeue.",
        requeue=True,
    ),
    "too large": Explanation(
        "It is larger than the destination takes.",
        "Record fewer or shorter details with this step; then requeue.",
        True,
    ),
    "rejected": Explanation("The destination refused it.", "Look the code up, mend the cause, then requeue.", True),
    "cannot be built": Explanation(
        "We could not make its payload, which is a mistake of ours.",
        "Please report it with the event's number; requeue it with the version that mends it.",
        requeue=True,
    ),
    "cannot be processed": Explanation(
        "Working on it stopped the dispatcher, or raised an error, each time; it was left out so that it harms no other event.",
        "Please report it with the event's number; requeue it with the version that mends it.",
        requeue=True,
    ),
    "cannot be written": Explanation(
        "What the destination answered could not be written down.", "Please report it with the event's number."
    ),
    # Halted: the destination stops until somebody acts, and loses nothing while its window is open.
    "access token invalid or expired": Explanation("Its token is refused.", _TOKEN),
    "access token refused": Explanation("Its token is refused.", _TOKEN),
    "permission missing": Explanation("Its token may not send to this pixel.", _PERMISSION),
    "pixel unknown, or the token may not use it": Explanation(
        "Meta does not know the pixel, or not with this token.", _PIXEL
    ),
    "data set does not exist": Explanation("Meta does not know the pixel.", _PIXEL),
    "API version is dead; set META_API_VERSION": Explanation(
        "The version of Meta's API has ended.", "Set META_API_VERSION to a current one, then restart the dispatchers."
    ),
    "data set needs a choice for Limited Data Use": Explanation(
        "Meta wants a choice about Limited Data Use for this pixel.", "Choose it in Events Manager, Settings."
    ),
    "redirected; check META_CAPI_BASE_URL": Explanation(
        "Its address leads somewhere else.", "Check META_CAPI_BASE_URL, then restart the dispatchers."
    ),
    "refused; check GA4_API_SECRET and GA4_MP_BASE_URL": Explanation(
        "Its API secret is refused, or its address is wrong.",
        "Check {secret} and GA4_MP_BASE_URL, then restart the dispatchers.",
    ),
    "not configured": Explanation(
        "It is not configured here.", "Name it in outbox.toml, then restart the dispatchers."
    ),
    # Throttled: the whole destination backs off.
    "application rate limit": Explanation("It asks us to slow down.", _SLOWED),
    "user rate limit": Explanation("It asks us to slow down.", _SLOWED),
    "page rate limit": Explanation("It asks us to slow down.", _SLOWED),
    "rate limit": Explanation("It asks us to slow down.", _SLOWED),
    "too many requests": Explanation("It asks us to slow down.", "Nothing: it goes on by itself."),
    # Transient: surely not taken; tried again.
    "server error": Explanation("It answered with an error of its own.", _BY_ITSELF),
    "unknown error at Meta": Explanation("Meta has trouble.", _BY_ITSELF),
    "service unavailable at Meta": Explanation("Meta has trouble.", _BY_ITSELF),
    "temporary limit at Meta": Explanation("Meta asks to try later.", _BY_ITSELF),
    "temporarily blocked by Meta": Explanation(
        "Meta blocks us for a while.", "Look into the account's quality in Events Manager; it is tried again by itself."
    ),
    "data set temporarily not ready": Explanation("Meta is not ready for this pixel yet.", _BY_ITSELF),
    "error unknown to us": Explanation("It answered with a code that we do not know.", _BY_ITSELF),
    "refused by something before Meta": Explanation("Something between us and Meta refused it.", _NETWORK),
    "refused by something before GA4": Explanation("Something between us and GA4 refused it.", _NETWORK),
    # Uncertain: may have been taken.
    "no answer through a gateway": Explanation(
        "A gateway got no answer, so nobody knows whether it arrived.", _BY_ITSELF
    ),
    "answer not understood": Explanation(
        "Its answer was not understood, so nobody knows whether it arrived.", _BY_ITSELF
    ),
    "events_received differs from what was sent": Explanation(
        "It counted another number of events than we sent, so nobody knows which arrived.", _BY_ITSELF
    ),
    "stopped while it was sent": Explanation("The dispatcher was stopped while it waited for the answer.", _BY_ITSELF),
    "worker lost": Explanation("The worker that sent it stopped before it heard the answer.", _BY_ITSELF),
    "lease expired": Explanation("The dispatcher that sent it died before it heard the answer.", _BY_ITSELF),
    "lease taken by rebuild": Explanation("The projections were rebuilt while it was being sent.", _BY_ITSELF),
    "restored from a backup": Explanation(
        "The database was restored, and it may have been sent since the backup was made.", _BY_ITSELF
    ),
    "timeout": Explanation("It did not answer in time.", _BY_ITSELF),
}

PATTERNS: tuple[tuple[re.Pattern[str], Explanation], ...] = (
    (
        re.compile(r"\S.* is not set"),
        Explanation("A setting is missing: {reason}.", "Set what is missing, then restart the dispatchers."),
    ),
    (re.compile(r"\d+ % of the rate limit used"), Explanation("Its rate limit is nearly used up.", _SLOWED)),
    (
        re.compile(r"\w+(Error|Timeout|Exception|Disconnected)"),
        Explanation("It could not be reached, or broke off.", _NETWORK),
    ),
)
"""Reasons that hold a name or a number, and the names of network errors."""

UNKNOWN = Explanation("It was not taken.", "Look the code up, mend the cause, then requeue.", requeue=True)
