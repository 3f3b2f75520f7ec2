"""The tables of `outbox.toml` and their types; collects mistakes, each with its line and field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import msgspec

from dispatcher.config.toml_lines import Path, line_of
from outbox.money import currencies

T = TypeVar("T", bound=msgspec.Struct)

MAX_PARAMETER = 100  # characters of a text; the strictest destination accepts no more

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9])?")


class FileTable(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    defaults: bool = True
    destinations: dict[str, Any] = {}
    steps: dict[str, Any] = {}
    forms: dict[str, Any] = {}
    serve: dict[str, Any] = {}
    stripe: dict[str, Any] = {}
    schedule: dict[str, Any] = {}
    alerts: dict[str, Any] = {}


class StepTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[steps.<name>]`; `to` maps each destination to a name, a `TargetTable`, or false."""

    to: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    value: float | None = None
    currency: str | None = None
    action_source: str | None = None
    browser_pair: bool = False


class TargetTable(msgspec.Struct, forbid_unknown_fields=True):
    """`to.<destination>` of a step, with parameters beside the name."""

    name: str
    parameters: dict[str, Any] = {}


class FormTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[forms.<name>]`."""

    step: str = "lead_submitted"
    product: str | None = None
    content_category: str | None = None
    value: float | None = None
    currency: str | None = None
    details: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    required: list[str] = []
    consent: str | None = None
    honeypot: str = "_gotcha"
    redirect: str | None = None


class ServeTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[serve]`."""

    origins: list[str] | None = None
    trusted_proxies: list[str] | None = None
    ip_headers: list[str] | None = None


class StripeTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[stripe]`."""

    account_key: str = "account_id"
    handl_key: str = "handl_id"
    product_key: str = "product"
    client_reference: Literal["account_id", "handl_id", "neither"] = "account_id"
    trials: bool = False


class ScheduleTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[schedule]`; `token_expires` is a TOML date, or a text that contains one."""

    report_at: str = "12:30"
    zone: str = "Europe/Nicosia"
    token_expires: Any = None


class AlertsTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[alerts]`."""

    backlog_minutes: int = 30


class TomlProblem(NamedTuple):
    """One mistake."""

    line: int
    field: str
    says: str


# msgspec's name of a type → the name in messages.
_TYPES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_EXPECTED = re.compile(r"Expected `([^`]+)`")
_UNKNOWN = re.compile(r"unknown field `(.*)`")
_MISSING = re.compile(r"missing required field `(.*)`")
_WHERE = re.compile(r" - at `\$((?:\.\w+|\[[^\]]*\])*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_SECRET = re.compile(r"token|secret|password|key", re.IGNORECASE)


class Problems:
    """Collects the mistakes of a file; `lines` holds the line of each key."""

    def __init__(self, lines: dict[Path, int]) -> None:
        self._lines = lines
        self._found: list[TomlProblem] = []

    def __iter__(self) -> Iterator[TomlProblem]:
        """Return the mistakes from top to bottom."""
        return iter(sorted(self._found))

    def add(self, path: Path, says: str) -> None:
        """Add a mistake at `path`."""
        self._found.append(TomlProblem(line_of(self._lines, path), dotted(path), says))

    def typed(self, path: Path, value: object, kind: type[T]) -> T | None:
        """Return the table `value` at `path` as a `kind`; add a mistake and return None if it cannot be one."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self.add(*_explain(path, str(error), kind))
            return None


def check_name(problems: Problems, where: Path, what: str) -> None:
    """Check that the name of a destination, step or form fits into a URL and a log line."""
    if not _NAME.fullmatch(str(where[-1])):
        problems.add(where, f"the name of a {what} has letters A to Z, digits, and between them _ - and dots")


def check_money(problems: Problems, where: Path, value: float | None, currency: str | None) -> None:
    """Check that a value is an amount of money and has a currency."""
    if value is not None and not (math.isfinite(value) and 0 <= value < 1e12):
        problems.add((*where, "value"), "expected an amount of money")
    if value is not None and currency is None:
        problems.add((*where, "value"), 'a value needs a currency, such as currency = "EUR"')
    if currency is not None and currency not in currencies():
        problems.add((*where, "currency"), "expected an ISO 4217 code, such as EUR")


def check_scalar(problems: Problems, where: Path, value: object) -> None:
    """Check that every destination accepts the value of a parameter."""
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        problems.add(where, "expected a text, a number, or true or false")
    elif isinstance(value, str) and not 0 < len(value) <= MAX_PARAMETER:
        problems.add(where, f"expected a text of 1 to {MAX_PARAMETER} characters")


def dotted(path: Path) -> str:
    """Return a path as it is written in TOML, for messages."""
    return ".".join(
        str(part) if isinstance(part, int) or re.fullmatch(r"[\w-]+", part) else f'"{part}"' for part in path
    )


def one_of(choices: Iterable[str]) -> str:
    """Return choices as the end of a sentence: `a, b or c`."""
    *rest, last = choices
    return f"{', '.join(rest)} or {last}" if rest else last


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a hint at the name that was probably meant by `name`, or the names that exist."""
    listed = list(known)
    close = get_close_matches(name, listed, 1)
    return f"did you mean {close[0]}?" if close else f"expected {one_of(listed)}" if listed else "none is defined"


def _explain(path: Path, message: str, kind: type[msgspec.Struct]) -> tuple[Path, str]:
    """Return the path and a plain text of a message of msgspec."""
    if where := _WHERE.search(message):
        path = (*path, *(name or int(index) for name, index in _STEP.findall(where[1])))
    if unknown := _UNKNOWN.search(message):
        name = unknown[1]
        if _SECRET.search(name):
            return (*path, name), "secrets do not belong in this file; name the variable that holds it (token_env)"
        return (*path, name), f"unknown; {suggestion(name, kind.__struct_fields__)}"
    if missing := _MISSING.search(message):
        return (*path, missing[1]), "missing"
    if message.startswith("Invalid enum value"):
        (field,) = (field for field in msgspec.structs.fields(kind) if field.name == path[-1])
        return path, f"expected {one_of(get_args(field.type))}"
    expected = _EXPECTED.search(message)
    kinds = [_TYPES[name] for name in (expected[1] if expected else "").split(" | ") if name in _TYPES]
    return path, f"expected {one_of(kinds)}" if kinds else "cannot be used"
