"""The identifiers in Meta's and Google's cookies, and in the parameters that carry the same values. Pure.

Each function takes the text of a cookie or parameter and returns the identifier in it, or None.

    _fbp, fbp        fb.<subdomain index>.<created, ms>.<random>[.<appendix>]
    _fbc, fbc        fb.<subdomain index>.<click first seen, ms>.<fbclid>[.<appendix>]
    _ga              GA1.<domain depth>[-<path depth>].<random>.<created, s>
    _ga_<stream>     GS1.<depth>.<session id>.<number>.<engaged>.<last seen>.…
                     GS2.<depth>.s<session id>$o<number>$g<engaged>$t<last seen>$…   in any order, since May 2025

Meta documents its two (Conversions API, "fbp and fbc parameters"); its own parameter builder adds an appendix of 2 or 8
characters, which belongs to the value. Google documents the form of neither of its cookies.
"""

from __future__ import annotations

import re

MAX_ID = 256  # characters of an identifier
MAX_CLICK_ID = 500  # of an fbclid: Meta names no limit, and those in use have grown from 61 to about 200

# A time in seconds or milliseconds: of ten digits at least.
_META = re.compile(r"fb\.[0-9]{1,3}\.[0-9]{10,16}\.([!-\-/-~]{1,500})(?:\.[A-Za-z0-9_-]{2}|\.[A-Za-z0-9_-]{8})?")
_CLICK_ID = re.compile(r"[!-\-/-~]+")  # printable, no dot: a dot would end the segment of an fbc
_ID = re.compile(r"[._:~=+/|-]*[A-Za-z0-9][A-Za-z0-9._:~=+/|-]*")
_GA_VERSION = r"(?:GA)?[0-9]\.[0-9]{1,3}(?:-[0-9]{1,3})?\."
_GA_CLIENT = re.compile(
    rf"(?:{_GA_VERSION})?"
    r"([0-9]{1,20}\.[0-9]{1,20}|amp-[A-Za-z0-9_-]{8,100}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
)
_GA_SESSION = re.compile(r"(GS[12])\.[0-9]{1,3}(?:-[0-9]{1,3})?\.(.+)")
_SESSION_ID = re.compile(r"[0-9]{1,20}")


def parse_fbp(text: str) -> str | None:
    """Return Meta's browser id, including the appendix."""
    return text if len(text) <= MAX_ID and _META.fullmatch(text) else None


def parse_fbc(text: str) -> str | None:
    """Return Meta's click id in the form that the Conversions API takes, including the appendix."""
    return text if fbclid_of(text) else None


def parse_fbclid(text: str) -> str | None:
    """Return the click id as the advertisement's link carried it. It is case-sensitive and never altered."""
    return text if len(text) <= MAX_CLICK_ID and _CLICK_ID.fullmatch(text) else None


def fbclid_of(fbc: str) -> str | None:
    """Return the fbclid that is inside `fbc`."""
    match = _META.fullmatch(fbc)
    return match[1] if match else None


def fbc_from_fbclid(fbclid: str, first_seen_ms: int) -> str | None:
    """Return `fb.1.<first_seen_ms>.<fbclid>`, or None if that would not be an fbc.

    `first_seen_ms` is the Unix time, in milliseconds, when this fbclid was first seen. It must be the same every time the
    value is built, or Meta sees another click each time. A server that has no cookie writes index 1.
    """
    if not 0 < first_seen_ms < 10**15 or parse_fbclid(fbclid) is None:
        return None
    return f"fb.1.{first_seen_ms}.{fbclid}"


def parse_id(text: str) -> str | None:
    """Return one of the site's own identifiers (`fb_event_id`, handlID): no spaces, braces, quotes or `@`."""
    return text if len(text) <= MAX_ID and _ID.fullmatch(text) else None


def parse_ga_client_id(text: str) -> str | None:
    """Return GA4's client id: two numbers, an AMP page's, or a UUID, out of a `_ga` cookie or by itself."""
    match = _GA_CLIENT.fullmatch(text) if len(text) <= MAX_ID else None
    return match[1] if match else None


def parse_ga_session_id(text: str) -> str | None:
    """Return GA4's session id, the Unix second at which the session began, out of a GS1 or GS2 cookie or by itself.

    `s1748934661$o208$…` is accepted as well: a landing page forwards it if it reads a GS2 cookie as a GS1 one.
    """
    if len(text) > MAX_ID:
        return None
    if _SESSION_ID.fullmatch(text):
        return text
    cookie = _GA_SESSION.fullmatch(text)
    if cookie and cookie[1] == "GS1":
        session = cookie[2].partition(".")[0]
    else:
        segments = (cookie[2] if cookie else text).split("$")
        session = next((segment[1:] for segment in segments if segment.startswith("s")), "")
    return session if _SESSION_ID.fullmatch(session) else None


def ga_stream_cookie(stream: str) -> str:
    """Return the name of a stream's session cookie: `G-XLHMXGR17M` keeps its sessions in `_ga_XLHMXGR17M`."""
    return "_ga_" + stream.removeprefix("_ga_").removeprefix("G-")
