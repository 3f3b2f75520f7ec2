"""One HTTP request, from any framework, as plain values: headers, cookies and parameters. Pure, with bounded cost.

Nothing here raises, whatever the mappings hold: values that are not text are ignored, and of overlong input only the
beginning is read.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_READ = 65_536  # characters of a header or query string; servers themselves allow 8 to 64 kB
MAX_NAMES = 2_000  # entries of a mapping
MAX_NAME = 100  # characters of a header's name
MAX_VALUES = 8  # values of one name

Values = dict[str, list[str]]

# Texts that scripts write when they have no value.
_PLACEHOLDERS = frozenset({"undefined", "null", "none", "nan", "(not set)", "[object object]", "n/a"})


def read_headers(headers: object) -> dict[str, str]:
    """Return the headers by their lower-case names; several of one name are joined as in RFC 9110 (5.3)."""
    lines: dict[str, list[str]] = {}
    for name, value in _items(headers):
        if (text := as_text(value)) and len(name) <= MAX_NAME:
            lines.setdefault(name.lower(), []).append(_as_sent(text))
    return {name: ("; " if name == "cookie" else ", ").join(texts) for name, texts in lines.items()}


def read_cookies(cookies: object, header: str, notes: list[str]) -> Values:
    """Return the cookies from a mapping, or from the text of the Cookie header if there is no mapping.

    A browser may send several of one name (of a domain and its parent): all are kept, in the order sent.
    """
    pairs: Iterable[tuple[str, object]]
    if cookies is None or isinstance(cookies, str):
        text = _beginning(cookies or header, ";", "cookies", notes)
        pairs = [(name, value) for name, equals, value in (pair.partition("=") for pair in text.split(";")) if equals]
    else:
        pairs = _items(cookies)
    jar: Values = {}
    for name, value in pairs:
        _keep(jar, name.strip(), _cookie_text(as_text(value)))
    return jar


def read_query(query: object, notes: list[str]) -> Values:
    """Return the parameters from a mapping (whose values may be lists) or from a query string."""
    values: Values = {}
    if isinstance(query, str):
        text = _as_sent(_beginning(query.removeprefix("?"), "&", "query", notes))
        for name, value in parse_qsl(text, errors="replace"):
            _keep(values, name, value)
    else:
        for name, item in _items(query):
            _keep(values, name, as_text(item))
    return values


def as_text(value: object) -> str:
    """Return a text, whole number or boolean as text, and an empty text for anything else."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) and value.bit_length() <= 128 else ""


def printable(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text` without its control characters and lone surrogates."""
    text = text[: 2 * limit]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " * char.isspace() for char in text)
    return text.strip()[:limit].rstrip()


def is_placeholder(text: str) -> bool:
    """Return whether `text` is a script's placeholder for no value: `undefined` as an id would merge all visitors."""
    return len(text) <= 20 and text.lower() in _PLACEHOLDERS


def is_stated(text: str) -> bool:
    """Return whether `text` is a value: not blank, and no placeholder."""
    return bool(text := text.strip()) and not is_placeholder(text)


# The method that returns all values of a name: in Starlette; in Werkzeug and Django; in aiohttp and plain mappings.
_ALL_ITEMS = ("multi_items", "lists", "items")


def _items(mapping: object) -> Iterator[tuple[str, object]]:
    """Return the entries of a mapping; several values of a name (in a multi-mapping or a list) come one by one."""
    items = next((found for name in _ALL_ITEMS if callable(found := getattr(mapping, name, None))), None)
    for key, value in islice(items(), MAX_NAMES) if items else ():
        if isinstance(key, str):
            for item in islice(value, MAX_VALUES) if isinstance(value, list | tuple) else (value,):
                yield str(key), item


def _as_sent(text: str) -> str:
    """Return the text that a browser sent as UTF-8, however a framework decoded its bytes.

    WSGI (PEP 3333) and Starlette decode them as Latin-1; aiohttp escapes bytes that are not UTF-8. Such bytes are read as
    Latin-1, which old clients write.
    """
    if text.isascii():
        return text
    try:
        sent = text.encode("latin-1")
    except UnicodeEncodeError:
        try:
            sent = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return text
    try:
        return sent.decode("utf-8")
    except UnicodeDecodeError:
        return sent.decode("latin-1")


def _keep(values: Values, name: str, text: str) -> None:
    if text and len(values.setdefault(name, [])) < MAX_VALUES:
        values[name].append(text)


def _beginning(text: str, separator: str, what: str, notes: list[str]) -> str:
    if len(text) <= MAX_READ:
        return text
    notes.append(f"{what}: only the first {MAX_READ} characters were read")
    return text[:MAX_READ].rpartition(separator)[0]  # never half a value


def _cookie_text(text: str) -> str:
    """Remove quotes from a cookie's value, and percent-encoding as js-cookie applies it."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return unquote(text, errors="replace") if "%" in text and len(text) <= MAX_READ else text
