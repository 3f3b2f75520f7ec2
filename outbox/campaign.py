"""The campaign that brought a visitor: utm parameters, and the place on the landing page where the visitor clicked.

Usage: `outbox.Campaign(source="facebook", medium="cpc", fb_loc="hero")`; `Visitor.from_request` reads it automatically.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from outbox.http_input import as_text, is_placeholder, printable
from outbox.personal_data import holds_email

MAX_TEXT = 256  # characters; for GA4 the text is cut to 100 when it is sent

_UTM = {
    "source": "utm_source",
    "medium": "utm_medium",
    "campaign": "utm_campaign",
    "content": "utm_content",
    "term": "utm_term",
}
_LANDING = ("fb_source", "fb_loc")  # the landing page's host, and the place on it that was clicked


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Campaign:
    """Where a visitor came from, each a short text or None.

    The constructor never raises for a value. It removes control characters and cuts texts at 256 characters. It leaves
    out a value that holds an e-mail address, as links in newsletters do, or that is only a placeholder (`undefined`).
    """

    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    content: str | None = None
    term: str | None = None
    fb_source: str | None = None
    fb_loc: str | None = None

    def __post_init__(self) -> None:
        for name in _NAMES:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _check(value, name, []))

    def to_json(self) -> dict[str, str]:
        """Return the fields that are set, under the names that `outbox.record` takes."""
        return {name: value for name in _NAMES if (value := getattr(self, name)) is not None}

    def __repr__(self) -> str:
        """Show the fields that are set."""
        return f"Campaign({', '.join(f'{name}={value!r}' for name, value in self.to_json().items())})"


_NAMES = tuple(field.name for field in fields(Campaign))

Values = Mapping[str, Sequence[object]]


def read_campaign(origins: Sequence[Values], cookies: Values, notes: list[str]) -> Campaign | None:
    """Return the campaign in a request, or None.

    `origins` are the request's parameters, the most reliable first. The utm values all come from the first origin that
    has any, else from `cookies` (the HandL UTM Grabber keeps each utm parameter in a cookie of its name): the source of
    one click is never joined with the medium of another.
    """
    texts: dict[str, str] = {}
    for origin in (*origins, cookies):
        texts = {name: text for name, key in _UTM.items() if (text := _first(origin, key, name, notes))}
        if texts:
            break
    for name in _LANDING:
        text = next((text for origin in origins if (text := _first(origin, name, name, notes))), None)
        if text:
            texts[name] = text
    return Campaign(**texts) if texts else None


def _first(origin: Values, key: str, name: str, notes: list[str]) -> str | None:
    return next((text for value in origin.get(key, ()) if (text := _check(value, name, notes))), None)


def _check(value: object, name: str, notes: list[str]) -> str | None:
    text = printable(as_text(value), MAX_TEXT)
    if is_placeholder(text):
        notes.append(f"campaign {name}: only a placeholder, left out")
        return None
    if holds_email(text):
        notes.append(f"campaign {name}: holds an e-mail address, left out")
        return None
    return text or None
