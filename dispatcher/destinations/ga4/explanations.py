"""What the reasons mean that only GA4 gives."""

from __future__ import annotations

from dispatcher.reasons import NETWORK, Explanation

EXPLANATIONS: dict[str, Explanation] = {
    "refused; check GA4_API_SECRET and GA4_MP_BASE_URL": Explanation(
        "The API secret is refused, or the address is wrong.",
        "Check {secret} and GA4_MP_BASE_URL, then restart the dispatchers.",
    ),
    "refused before reaching GA4": Explanation("A proxy or gateway on the way to GA4 refused it.", NETWORK),
}
