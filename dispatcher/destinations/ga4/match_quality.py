"""The identifiers that GA4 takes, and what to change for more of them. GA4 has no score, so there is no estimate."""

from __future__ import annotations

from dispatcher.destinations.match_quality import Change, Identifier, MatchQuality

IDENTIFIERS: tuple[Identifier, ...] = (
    Identifier("client_id", "Client ID"),
    Identifier("user_id", "User ID"),
    Identifier("session_id", "Session ID"),
    Identifier("sha256_email_address", "Email"),
    Identifier("sha256_phone_number", "Phone"),
)

CHANGES: tuple[Change, ...] = (
    Change(("user_id",), "record account_id or lead_id with this step"),
    Change(("sha256_email_address",), "record an e-mail address with this step (person.email)"),
    Change(
        ("session_id",),
        "record the visitor's ga_client_id and ga_session_id, else GA4 finds no session and no source for the event",
        needs_browser=True,
    ),
)

QUALITY = MatchQuality(
    IDENTIFIERS,
    CHANGES,
    browserless=frozenset({"refund"}),  # nobody sits in front of a browser
    explanation="GA4 has no such score: for it only coverage is shown.",
)
