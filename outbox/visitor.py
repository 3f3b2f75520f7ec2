"""The browser that a conversion comes from, as read from one HTTP request.

    visitor = outbox.Visitor.from_request(headers=…, cookies=…, query=…, remote=…)      # any framework

| field           | where from: the first that is well-formed                                                   |
|-----------------|---------------------------------------------------------------------------------------------|
| `ip`            | headers of trusted proxies, else `remote` (see `outbox.client_ip`)                          |
| `user_agent`    | header `User-Agent`                                                                         |
| `fbp`           | parameter `fbp`, cookie `_fbp`                                                              |
| `fbc`           | parameter `fbc`, cookie `_fbc`; neither, if the parameter `fbclid` holds another click      |
| `fbclid`        | only without `fbc`: parameter `fbclid`, cookie `fbclid` (HandL UTM Grabber)                 |
| `ga_client_id`  | cookie `_ga`, parameter `ga_client_id`                                                      |
| `ga_session_id` | cookie `_ga_<stream>`, parameter `ga_session_id`                                            |
| `url`           | the argument `url`, else header `Referer`: a form is submitted from the page that it is on  |
| `referrer`      | parameter `document_referrer`, `page_referrer`, `referrer`; `Referer` if `url` is given     |
| `event_id`      | parameter `fb_event_id`                                                                     |
| `handl_id`      | parameter `handlID`, `handl_id`, `handlid`, then a cookie of one of these names             |
| `campaign`      | parameters `utm_*`, else cookies `utm_*`; parameters `fb_source`, `fb_loc`                  |
| `consent`       | the argument `consent`, else parameters, else cookies `ad_user_data`, `ad_personalization`  |

Parameters are the fields of `form`, then those of `query`, then those in the URL of the page: the argument `url`, or a
`Referer` on the request's own host, because a form page's URL often still carries what the landing page forwarded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Self

from outbox import cookies as parse
from outbox.campaign import Campaign, read_campaign
from outbox.client_ip import IP_HEADERS, TRUSTED_PROXIES, client_ip, parse_ip
from outbox.consent import SIGNALS, read_consent
from outbox.http_input import (
    Values,
    as_text,
    is_placeholder,
    is_stated,
    printable,
    read_cookies,
    read_headers,
    read_query,
)
from outbox.page_url import clean_url, query_of

MAX_USER_AGENT = 1_000

HANDL_NAMES = ("handlID", "handl_id", "handlid")
REFERRER_NAMES = ("document_referrer", "page_referrer", "referrer")

Rule = Callable[[str], str | None]

# For each identifier, its parser and the note if the parser rejects it.
_RULES: dict[str, tuple[Rule, str]] = {
    "ip": (parse_ip, "not a public IP address"),
    "user_agent": (lambda text: printable(text, MAX_USER_AGENT), "not printable"),
    "fbp": (parse.parse_fbp, "not of the form fb.<n>.<ms>.<id>"),
    "fbc": (parse.parse_fbc, "not of the form fb.<n>.<ms>.<fbclid>"),
    "fbclid": (parse.parse_fbclid, "not a click id"),
    "ga_client_id": (parse.parse_ga_client_id, "no client id in it"),
    "ga_session_id": (parse.parse_ga_session_id, "no session id in it"),
    "url": (clean_url, "not an absolute http(s) URL"),
    "referrer": (clean_url, "not an absolute http(s) URL"),
    "event_id": (parse.parse_id, "not an identifier"),
    "handl_id": (parse.parse_id, "not an identifier"),
}
RECORDED = ("ip", "user_agent", "fbp", "fbc", "fbclid", "ga_client_id", "ga_session_id", "url", "referrer")
"""The fields that are recorded with an event."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Visitor:
    """A browser, as seen in one request. Every field is optional; a field that is set is well-formed.

    The constructor never raises for a value: a malformed one is left out, and `notes` says which and why, without
    quoting it. `fbclid_at` is when that click was first seen, if known (aware; naive is taken as UTC).
    """

    ip: str | None = None
    user_agent: str | None = None
    fbp: str | None = None
    fbc: str | None = None
    fbclid: str | None = None
    fbclid_at: datetime | None = None
    ga_client_id: str | None = None
    ga_session_id: str | None = None
    url: str | None = None
    referrer: str | None = None
    event_id: str | None = None
    handl_id: str | None = None
    campaign: Campaign | None = None
    consent: Mapping[str, str] | None = field(default=None, hash=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        notes = [note for note in self.notes if isinstance(note, str)] if isinstance(self.notes, tuple | list) else []
        for name in _RULES:
            value = getattr(self, name)
            if value is not None:
                self._set(name, _first(name, [value], notes))
        self._set("fbclid_at", _utc(self.fbclid_at))
        self._set("campaign", self.campaign if isinstance(self.campaign, Campaign) else None)
        self._set("consent", read_consent(self.consent, notes))
        self._set("notes", tuple(dict.fromkeys(notes)))

    @classmethod
    def from_request(
        cls,
        *,
        headers: Mapping[str, str],
        cookies: Mapping[str, str] | None = None,
        query: Mapping[str, str | Sequence[str]] | str | None = None,
        form: Mapping[str, Any] | None = None,
        remote: str | None = None,
        url: str | None = None,
        trusted_proxies: Sequence[str] = TRUSTED_PROXIES,
        ip_headers: Sequence[str] = IP_HEADERS,
        ga_stream: str | None = None,
        consent: Mapping[str, Any] | None = None,
        now: datetime | None = None,
    ) -> Self:
        """Return the visitor of one HTTP request. Never raises for what is in the request, and costs microseconds.

        Without `cookies`, the header `Cookie` is read. `query` is a mapping (values may be lists) or a query string,
        `form` the fields of the submitted form; only the parameters listed above are read from either. `remote` is the
        address of the connection; for a Unix socket, pass that of the proxy behind it ("127.0.0.1"). `url` is the page
        where the event happened, if it is not the `Referer`. `trusted_proxies` are networks, and `ip_headers` the headers
        that those proxies are known to set, in order of precedence. `ga_stream` is the measurement id ("G-…") whose
        session is used. `now` is the time of a click that is seen for the first time.
        """
        notes: list[str] = []
        sent = read_headers(headers)
        jar = read_cookies(cookies, sent.get("cookie", ""), notes)
        given, referer = as_text(url), sent.get("referer", "")
        page = given or referer
        origins = (
            read_query(form, notes),
            read_query(query, notes),
            read_query(query_of(page, host=None if given else sent.get("host", "")), notes),
        )
        identifiers: dict[str, Any] = {
            "ip": client_ip(sent, as_text(remote), notes, trusted_proxies=trusted_proxies, ip_headers=ip_headers),
            "user_agent": sent.get("user-agent"),
            "fbp": _first("fbp", _find(("fbp",), *origins) + _find(("_fbp",), jar), notes),
            "ga_client_id": _first("ga_client_id", _find(("_ga",), jar) + _find(("ga_client_id",), *origins), notes),
            "ga_session_id": _session(origins, jar, ga_stream, notes),
            "url": page,
            "referrer": _first("referrer", [*_find(REFERRER_NAMES, *origins), referer if given else ""], notes),
            "event_id": _first("event_id", _find(("fb_event_id",), *origins), notes),
            "handl_id": _first("handl_id", _find(HANDL_NAMES, *origins, jar), notes),
        }
        return cls(
            **identifiers,
            **_click(origins, jar, _utc(now) or datetime.now(UTC), notes),
            campaign=read_campaign(origins, jar, notes),
            consent=read_consent(consent, notes) or _forwarded_consent((*origins, jar), notes),
            notes=tuple(notes),
        )

    def to_json(self) -> dict[str, str]:
        """Return the `visitor` object that `outbox.record` takes: only what is set, with `fbclid_at` in ISO 8601."""
        present = {name: value for name in RECORDED if (value := getattr(self, name)) is not None}
        if self.fbclid and self.fbclid_at:
            present["fbclid_at"] = self.fbclid_at.isoformat(timespec="milliseconds")
        return present

    def __repr__(self) -> str:
        """Show which fields are set, and the values of those that hold no personal data."""
        hidden = [f"{f.name}=…" for f in fields(self) if f.name not in _SHOWN and getattr(self, f.name) is not None]
        shown = [f"{name}={value!r}" for name in _SHOWN if (value := getattr(self, name))]
        return f"Visitor({', '.join(hidden + shown)})"

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(
            self, name, value
        )  # the only way to set a field of a frozen dataclass, used in __post_init__


_SHOWN = ("campaign", "consent", "notes")


def _find(names: Iterable[str], *origins: Values) -> list[str]:
    """Return all values of `names`, origin by origin."""
    return [value for origin in origins for name in names for value in origin.get(name, ())]


def _first(name: str, values: Iterable[object], notes: list[str]) -> str | None:
    """Return the first of `values` that is well-formed for the field `name`; note the malformed ones before it."""
    rule, problem = _RULES[name]
    for value in values:
        text = as_text(value).strip()
        if not text and isinstance(value, str | None):
            continue
        if not is_placeholder(text) and (result := rule(text)):
            return result
        notes.append(f"{name}: {problem}, left out")
    return None


def _click(origins: Sequence[Values], jar: Values, now: datetime, notes: list[str]) -> dict[str, Any]:
    """Return `fbc`, or the `fbclid` of a click that no fbc holds yet.

    A click in the URL is newer than the one in the cookie, unless they are the same: then the cookie holds the time when
    it was first seen. The HandL UTM Grabber's cookie holds no time.
    """
    clicked = _first("fbclid", _find(("fbclid",), *origins), notes)
    candidates = [*_find(("fbc",), *origins), *_find(("_fbc",), jar)]
    fbc = next((fbc for fbc in candidates if clicked and _holds(fbc, clicked)), None) or _first(
        "fbc", candidates, notes
    )
    if clicked and not (fbc and _holds(fbc, clicked)):
        return {"fbclid": clicked, "fbclid_at": now}
    if fbc:
        return {"fbc": fbc}
    return {"fbclid": _first("fbclid", _find(("fbclid",), jar), notes)}


def _holds(fbc: str, fbclid: str) -> bool:
    return parse.fbclid_of(fbc.strip()) == fbclid


def _session(origins: Sequence[Values], jar: Values, stream: str | None, notes: list[str]) -> str | None:
    """Return the session of `stream`, or of the only stream if none is named."""
    if stream and isinstance(stream, str):
        found = _first("ga_session_id", _find((parse.ga_stream_cookie(stream),), jar), notes)
    else:
        streams = [values for name, values in jar.items() if name.startswith("_ga_")]
        sessions = {session for values in streams if (session := _first("ga_session_id", values, notes))}
        if len(sessions) > 1:
            notes.append("ga_session_id: cookies of several streams, and ga_stream names none, left out")
        found = sessions.pop() if len(sessions) == 1 else None
    return found or _first("ga_session_id", _find(("ga_session_id",), *origins), notes)


def _forwarded_consent(origins: Iterable[Values], notes: list[str]) -> dict[str, str] | None:
    """Return the consent from the first origin that states any."""
    for origin in origins:
        stated = {signal: values[0] for signal in SIGNALS if (values := origin.get(signal)) and is_stated(values[0])}
        if stated:
            return read_consent(stated, notes)
    return None


def _utc(moment: object) -> datetime | None:
    if not isinstance(moment, datetime):
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):  # within a day of year 1 or 9999
        return None
