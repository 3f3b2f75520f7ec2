"""The weight of each identifier in the estimate of Meta's Event Match Quality, and what is known about the real score.

Sources (destinations.md 1.12): Meta's Help Center, "About Event Match Quality" (765081237991954), ranks parameters as
high, medium and low; the page "Best practices for Conversions API" lists others as of high quality. Meta publishes no
weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

EXPLANATION = (
    "Meta does not publish how it computes its Event Match Quality (0 to 10). This estimate adds up a weight for each "
    "identifier that an event carries; the weights add up to 10 and keep the order in which Meta's Help Center (high, "
    "medium, low) and its best-practices page rank the parameters. It shows changes and their direction; it is not "
    "Meta's score, which also depends on how many of the identifiers match somebody, counts only the last 48 hours, "
    "and exists for website events only. GA4 has no such score: for it only coverage is shown."
)


class Identifier(msgspec.Struct, frozen=True):
    """A field that identifies a person: its name at the destination, and a label for display.

    `rank`: what the Help Center says (high, medium, low; empty: nothing). `weight`: of 10; 0 at GA4. `api_name`: its name in
    Meta's Dataset Quality API.
    """

    field: str
    label: str
    rank: str = ""
    weight: float = 0.0
    api_name: str = ""


# fn, ln, the address and the user agent rank higher on the best-practices page than in the Help Center.
META: tuple[Identifier, ...] = (
    Identifier("em", "Email", "high", 2.0, "email"),
    Identifier("ph", "Phone", "medium", 1.2, "phone"),
    Identifier("fbc", "Click ID", "high", 1.2, "fbc"),
    Identifier("external_id", "External ID", "medium", 1.0, "external_id"),
    Identifier("fbp", "Browser ID", "medium", 0.9, "fbp"),
    Identifier("client_ip_address", "IP address", "", 0.9, "ip_address"),
    Identifier("client_user_agent", "User agent", "", 0.7, "user_agent"),
    Identifier("fn", "First name", "low", 0.35, "first_name"),
    Identifier("ln", "Last name", "low", 0.35, "last_name"),
    Identifier("country", "Country", "medium", 0.35, "country"),
    Identifier("db", "Date of birth", "medium", 0.3, "date_of_birth"),
    Identifier("ct", "City", "low", 0.25, "city"),
    Identifier("zp", "Postal code", "low", 0.25, "zip"),
    Identifier("st", "State", "", 0.15, "state"),
    Identifier("ge", "Gender", "", 0.1, "gender"),
)

GA4: tuple[Identifier, ...] = (
    Identifier("client_id", "Client ID"),
    Identifier("user_id", "User ID"),
    Identifier("session_id", "Session ID"),
    Identifier("sha256_email_address", "Email"),
    Identifier("sha256_phone_number", "Phone"),
)

IDENTIFIERS: dict[str, tuple[Identifier, ...]] = {"meta": META, "ga4": GA4}
"""Kind of destination → its identifiers, the most important first."""


def estimate(events: int, fields: Mapping[str, int]) -> float | None:
    """Return the estimated match quality, 0 to 10, of `events` at Meta of which `fields[name]` carry each field.

    It is the mean over the single events; None without events.
    """
    if not events:
        return None
    return round(sum(each.weight * min(fields.get(each.field, 0) / events, 1.0) for each in META), 1)
