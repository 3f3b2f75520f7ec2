"""The one change that would improve a step's match quality most. Pure; the suggestions are tables."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dispatcher.monitoring.quality.weights import META

ENOUGH = 0.2
"""A gain below this, of 10, is not worth a change."""
FEW = 0.2
"""At GA4: a field is well covered if fewer than this share of events lack it."""


class Change(msgspec.Struct, frozen=True):
    """A change in the CRM or its pages, and the fields that it would fill.

    `needs_browser`: useful only for events from a browser, not for those that a payment provider reports.
    """

    fields: tuple[str, ...]
    do: str
    needs_browser: bool = False


AT_META: tuple[Change, ...] = (
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

AT_GA4: tuple[Change, ...] = (
    Change(("user_id",), "record account_id or lead_id with this step"),
    Change(("sha256_email_address",), "record an e-mail address with this step (person.email)"),
    Change(
        ("session_id",),
        "record the visitor's ga_client_id and ga_session_id, else GA4 finds no session and no source for the event",
        needs_browser=True,
    ),
)

_WEIGHTS = {each.field: each.weight for each in META}


def advise(kind: str, events: int, fields: Mapping[str, int], *, has_browser: bool = True) -> str | None:
    """Return what to change first, with the share of events that lack it; None if nothing is worth it.

    `kind` is the destination's; `fields[name]` of `events` carry each field.
    """
    if not events:
        return None
    changes = {"meta": AT_META, "ga4": AT_GA4}.get(kind, ())
    weights = _WEIGHTS if kind == "meta" else {}
    enough = ENOUGH if kind == "meta" else FEW
    gains = [
        (sum(weights.get(name, 1.0) * _lacking(events, fields, name) for name in change.fields), change)
        for change in changes
        if has_browser or not change.needs_browser
    ]
    gain, best = max(gains, key=lambda scored: scored[0], default=(0.0, None))
    if best is None or gain < enough:
        return None
    lacking = max(_lacking(events, fields, name) for name in best.fields)
    return f"{best.do} ({lacking:.0%} lack it)"


def _lacking(events: int, fields: Mapping[str, int], name: str) -> float:
    return 1 - min(fields.get(name, 0) / events, 1.0)
