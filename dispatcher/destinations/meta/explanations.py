"""What the reasons mean that only Meta gives."""

from __future__ import annotations

import re

from dispatcher.reasons import BY_ITSELF, NETWORK, Explanation, Pattern

_SLOWED = "Nothing: sending resumes after the time that Meta asked for."
_PERMISSION = "Allow the token in {secret} to send to this pixel (Events Manager, Settings), or replace it and restart the dispatchers."
_PIXEL = "Compare META_PIXEL_ID with Events Manager and check that the token in {secret} belongs to that pixel; then restart the dispatchers."

EXPLANATIONS: dict[str, Explanation] = {
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
    "application rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "user rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "page rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "rate limit": Explanation("The destination asks for a lower rate.", _SLOWED),
    "unknown error at Meta": Explanation("Meta has a problem.", BY_ITSELF),
    "service unavailable at Meta": Explanation("Meta has a problem.", BY_ITSELF),
    "temporary limit at Meta": Explanation("Meta asks to try again later.", BY_ITSELF),
    "temporarily blocked by Meta": Explanation(
        "Meta has temporarily blocked these requests.",
        "Check the account's quality in Events Manager; it is retried automatically.",
    ),
    "data set temporarily not ready": Explanation("Meta is not ready for this pixel yet.", BY_ITSELF),
    "refused before reaching Meta": Explanation("A proxy or gateway on the way to Meta refused it.", NETWORK),
}

PATTERNS: tuple[Pattern, ...] = (
    (re.compile(r"\d+ % of the rate limit used"), Explanation("The rate limit is nearly used up.", _SLOWED)),
)
