"""Origins of web pages, and where a browser may be redirected to. Pure.

origin_of("https://WWW.Example.com:443/thanks?x=1")       # "https://www.example.com"
location("https://www.example.com/thanks", {"https://www.example.com"})
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, urlsplit

MAX_ADDRESS = 2_000

_PORTS = {"http": 80, "https": 443}
# Printable ASCII without space, backslash (which browsers read as a slash) and angle brackets.
_PLAIN = re.compile(r"[!-;=?-\[\]-~]+")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+")


def origin_of(address: str) -> str | None:
    """Return the origin of an absolute http(s) address as a browser writes it, or None if the address is not a plain one."""
    if len(address) > MAX_ADDRESS or not _PLAIN.fullmatch(address):
        return None
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port not in (None, _PORTS[parts.scheme]) else "")


def location(address: str, origins: Collection[str]) -> str | None:
    """Return `address` as a Location header may contain it: a path, or a page of one of `origins`; else None."""
    if len(address) > MAX_ADDRESS or not address.isprintable():
        return None
    plain = "".join(char if char.isascii() else quote(char) for char in address.strip())
    if not _PLAIN.fullmatch(plain) or len(plain) > MAX_ADDRESS:
        return None
    if plain.startswith("/"):
        return None if plain.startswith("//") else plain
    return plain if origin_of(plain) in origins else None
