r"""Settings in environment variables: how one is declared, read and checked. A secret never prints.

@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings(KindSettings):
    pixel_id: str = setting("META_PIXEL_ID", "1530042020969436", check=matches(r"\d{5,20}", "the pixel's number"))
    token: Secret = setting("META_CAPI_TOKEN", Secret())

read(MetaSettings, os.environ)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Check = Callable[[str], str | None]
"""Returns what is wrong with the text of a variable, or None."""


class ConfigError(ValueError):
    """The configuration cannot be used; each line of the message says what is wrong and what to do."""


class SettingsError(ValueError):
    """A setting cannot be used; the message names it, says what is expected, and never quotes a secret."""


class Secret:
    """A text that must never be shown: `repr`, `format` and logs print asterisks. `reveal()` returns it.

    It is not a subclass of `str`: JSON, `rich` and `structlog` would print one as it is, whatever its `repr`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself, for the one place that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "'***'" if self else "''"

    def __str__(self) -> str:
        return "***" if self else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSettings:
    """The settings of one kind of destination; each kind has a subclass, whose fields are made by `setting`."""


def is_plain(value: str) -> str | None:
    """Check that a text is printable."""
    return None if value.isprintable() else "contains unprintable characters; set it again"


def setting(
    variable: str,
    default: Any,
    *,
    check: Check = is_plain,
    toml: str | None = None,
    visitor: str | None = None,
    belongs_to_id: bool = False,
) -> Any:
    """Return a field of a settings class: its environment variable, its default where that is absent or empty, its check.

    In a `KindSettings`: `toml`: its key in `[destinations.<name>]`; one that ends with `_env` names a variable to read it
    from. `visitor`: the argument of `outbox.Visitor` that needs it, to read the destination's cookies. `belongs_to_id`: a
    destination with an id of its own does not inherit it.
    """
    known = {"variable": variable, "check": check, "toml": toml, "visitor": visitor, "belongs_to_id": belongs_to_id}
    return field(default=default, metadata=known)


def declared(kind: Any) -> Iterator[Field[Any]]:
    """Return the fields of a settings class that are read from the environment."""
    return (each for each in fields(kind) if "variable" in each.metadata)


def values(kind: Any, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that are set, by field; raise `SettingsError` for the first that cannot be used."""
    found: dict[str, Any] = {}
    for each in declared(kind):
        variable = each.metadata["variable"]
        value = environment.get(variable, "").strip()
        if not value:
            continue
        if problem := each.metadata["check"](value):
            raise SettingsError(f"{variable}: {problem}")
        kind_of_value: Any = type(each.default)
        found[each.name] = kind_of_value(value)
    return found


def read(kind: type[T], environment: Mapping[str, str]) -> T:
    """Return an instance of a settings class, read from the environment."""
    return kind(**values(kind, environment))


def matches(pattern: str, expected: str) -> Check:
    """Return a check for a regular expression; `expected` ends the sentence of a mistake."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: None if compiled.fullmatch(value) else f"expected {expected}"


def within(low: int, high: int, unit: str) -> Check:
    """Return a check for a whole number of some unit."""

    def check(value: str) -> str | None:
        if len(value) <= 9 and value.isascii() and value.isdigit() and low <= int(value) <= high:
            return None
        return f"expected a whole number of {unit} from {low} to {high}"

    return check


def web_address(example: str) -> Check:
    """Return a check for the base address of a destination, such as `example`."""
    expected = f"expected an address such as {example}, without a user or a query"

    def check(value: str) -> str | None:
        if not value.isprintable() or " " in value:
            return expected
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            return expected
        complete = parts.scheme in {"http", "https"} and parts.hostname
        return expected if not complete or parts.username or parts.query or parts.fragment else None

    return check
