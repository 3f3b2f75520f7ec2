"""Page URLs in a form that may be sent to destinations: without secrets and without personal data. Pure.

Destinations receive the page of an event. Its URL may carry things that they must not have: the token of a password
reset, a login code, the e-mail address that a newsletter put into its links. GA4 forbids personal data in any field. So
parameters are removed whose names indicate such data, or whose values look like it. Advertising parameters and all
others are kept unaltered.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import SplitResult, quote, unquote, unquote_plus, urlsplit

from outbox.personal_data import holds_email, is_phone

MAX_URL = 1_000  # characters; GA4 takes no longer page_location
_MAX_READ = 8_192

# Parameters of advertising and of the landing pages: kept, unless they hold an e-mail address or a token.
_ADVERTISING = re.compile(
    r"utm_\w+|fbclid|gclid|gbraid|wbraid|dclid|msclkid|ttclid|twclid|li_fat_id|fb_event_id|fb_source|fb_loc|fbp|fbc"
)
# Parameter names that indicate a secret or personal data: these in any part of a name …
_SENSITIVE_PART = re.compile(
    "token|passw|secret|session|mail|phone|mobile|auth|apikey|signature|credential|birth|firstname|lastname|surname"
    "|fullname|username|nickname|address|postcode|postal|jsessionid|phpsessid"
)
# … or these as a whole word of it: `promo_code`, `user[name]`, `firstName`, but not `keyword`.
_SENSITIVE_WORD = re.compile(
    "key|code|pass|pwd|pw|pin|otp|sid|sess|jwt|sig|hash|nonce|state|ticket|invite|magic|login|user|name|fname|lname"
    "|tel|cell|whatsapp|msisdn|street|city|zip|dob|gender|ip|ssn|iban|card|cvc|cvv|passport|eid"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JWT_OR_DIGEST = re.compile(r"eyJ[\w-]{8}|[0-9a-fA-F]{32}")
_LONG_WORD = re.compile(r"[\w-]{32,}")
_KINDS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_.])?")
_LONG_AUTHORITY = re.compile(r"[^/?#]*//[^/?#]{513}")
_SAFE = "%/:@!$&'()*+,;=~-._?[]"


def clean_url(text: str) -> str | None:
    """Return an absolute http(s) URL without credentials, fragment and sensitive parameters, or None if it is not one.

    The result has at most 1000 characters: parameters that do not fit are dropped. Cleaning is idempotent.
    """
    return _clean(text if len(text) <= _MAX_READ else _readable(text))


# A site has few pages, and most parameters recur, so whole URLs are cached (10 us each), and their parts for those with a
# click id (30 us). Each cached key is at most _MAX_READ characters long.
@lru_cache(maxsize=1024)
def _clean(text: str) -> str | None:
    page, _, query = _readable(text).partition("#")[0].partition("?")
    url = _clean_page(page)
    if url is None or not query:
        return url
    separator = "?"
    for pair in query.split("&"):
        kept = _clean_pair(pair)
        if kept and len(url) + 1 + len(kept) <= MAX_URL:
            url += separator + kept
            separator = "&"
    return url


@lru_cache(maxsize=1024)
def _clean_page(page: str) -> str | None:
    """Return a cleaned URL, given one without its query."""
    split = _split(page)
    if split is None:
        return None
    parts, origin = split
    url = origin + quote("/".join(_clean_segment(segment) for segment in parts.path.split("/")), safe=_SAFE)
    return url if len(url) <= MAX_URL else origin + "/"


@lru_cache(maxsize=1024)
def _clean_pair(pair: str) -> str:
    """Return a parameter, encoded, or an empty text if it must not be sent."""
    return "" if not pair or _is_sensitive(pair) else quote(pair, safe=_SAFE)


def query_of(text: str, *, host: str | None = None) -> str:
    """Return the query string of a URL if it is on `host` (any if None); its port is ignored."""
    split = _split(_readable(text))
    if split is None or (host is not None and split[0].hostname != _host_name(host)):
        return ""
    return split[0].query


def _readable(text: str) -> str:
    """Return the URL without control characters, cut at `_MAX_READ`."""
    text = text.strip()
    if len(text) > _MAX_READ:
        beginning = text[:_MAX_READ]
        text = beginning.rpartition("&")[0] or beginning.partition("?")[0]  # never half a parameter
    return text if text.isprintable() else "".join(char for char in text if char.isprintable())


def _split(text: str) -> tuple[SplitResult, str] | None:
    """Return the parts of an absolute http(s) URL, and its origin in canonical form."""
    if _LONG_AUTHORITY.match(text):  # Python takes quadratic time to look for strange characters in it
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            host = f"[{IPv6Address(host.partition('%')[0])}]"
        elif not host.isascii() and len(host) <= 253:
            host = host.encode("idna").decode("ascii")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or len(host) > 253 or not (host.startswith("[") or _HOST.fullmatch(host)):
        return None
    return parts, f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _host_name(host: str) -> str | None:
    try:
        return urlsplit("//" + host.strip()[:300]).hostname
    except ValueError:
        return None


def _clean_segment(segment: str) -> str:
    """Return a path segment without sensitive matrix parameters (`;jsessionid=…`); a sensitive one becomes `-`."""
    name, *matrix = segment.split(";")
    plain = unquote(unquote(name))
    if holds_email(plain) or _holds_token(plain):
        name = "-"
    return ";".join([name, *(pair for pair in matrix if not _is_sensitive(pair))])


def _is_sensitive(pair: str) -> bool:
    """Return whether a parameter, still encoded, holds a secret or personal data."""
    raw_name, _, raw_value = pair.partition("=")
    name, value = unquote(unquote_plus(raw_name)), unquote(unquote_plus(raw_value))
    if holds_email(name) or holds_email(value) or _is_nested_sensitive(value):
        return True
    if _ADVERTISING.fullmatch(name):
        return value.startswith("eyJ")
    return _is_sensitive_name(name) or _holds_token(value) or is_phone(value) or is_phone(name)


def _is_nested_sensitive(value: str) -> bool:
    """Return whether a value is itself a URL or a list of parameters with a sensitive name in it."""
    inner = re.split("[?&;#]", value)
    return any(_is_sensitive_name(name) for name, equals, _ in (pair.partition("=") for pair in inner) if equals)


def _is_sensitive_name(name: str) -> bool:
    if len(name) > 100:
        return True
    parts = re.split(r"[^a-z0-9]+", _CAMEL.sub("_", name).lower())
    return _SENSITIVE_PART.search("".join(parts)) is not None or any(map(_SENSITIVE_WORD.fullmatch, parts))


def _holds_token(text: str) -> bool:
    """Return whether `text` contains a JWT, a digest or a long random word."""
    if _JWT_OR_DIGEST.search(text):
        return True
    return any(all(kind.search(word) for kind in _KINDS) for word in _LONG_WORD.findall(text))
