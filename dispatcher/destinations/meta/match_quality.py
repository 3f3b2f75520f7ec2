"""The identifiers that Meta takes, their weights in the estimate of its Event Match Quality, and what is known of the real score.

Sources: Meta's Help Center, "About Event Match Quality" (765081237991954), ranks parameters as
high, medium and low; the page "Best practices for Conversions API" lists others as of high quality. Meta publishes no
weights.
"""

from __future__ import annotations

from dispatcher.destinations.match_quality import Change, Identifier, MatchQuality

EXPLANATION = (
    "Meta does not publish how it computes its Event Match Quality (0 to 10). This estimate adds up a weight for each "
    "identifier that an event carries; the weights add up to 10 and keep the order in which Meta's Help Center (high, "
    "medium, low) and its best-practices page rank the parameters. It shows changes and their direction; it is not "
    "Meta's score, which also depends on how many of the identifiers match somebody, counts only the last 48 hours, "
    "and exists for website events only."
)

# fn, ln, the address and the user agent rank higher on the best-practices page than in the Help Center.
IDENTIFIERS: tuple[Identifier, ...] = (
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

CHANGES: tuple[Change, ...] = (
    Change(("em",), "ask for an e-mail address before this step, and record it as person.email"),
    Change(("ph",), "ask for a phone number, and record it as person.phone"),
    Change(("fbc",), "put outbox.js on every landing page, so that the click id (fbclid) is kept", needs_browser=True),
    Change(("external_id",), "record account_id, lead_id or handl_id with this step"),
    Change(
        ("fbp", "client_ip_address", "client_user_agent"),
        "record the visitor (outbox.Visitor) with this step: address, user agent, _fbp cookie",
        needs_browser=True,
    ),
    Change(("fn", "ln"), "record first and last name with this step"),
    Change(("country", "ct", "zp", "st"), "record city, postal code and country with this step"),
    Change(("db", "ge"), "record date of birth and gender, if the person has given them"),
)

QUALITY = MatchQuality(IDENTIFIERS, CHANGES, explanation=EXPLANATION)
