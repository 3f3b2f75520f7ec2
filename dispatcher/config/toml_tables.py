"""The tables of `outbox.toml` as they stand in the file, and their types; each mistake with its line and field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import msgspec
import pycountry

from dispatcher.config.toml_lines import Path, line_of

T = TypeVar("T", bound=msgspec.Struct)

MAX_PARAMETER = 100  # characters of a text; GA4 takes no more (destinations.md 2.2)

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


class MetaTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[destinations.<name>]` of kind meta."""

    kind: str
    like: str | None = None
    pixel_id: str | int | None = None
    token_env: str | None = None
    test_code_env: str | None = None


class GA4Table(msgspec.Struct, forbid_unknown_fields=True):
    """`[destinations.<name>]` of kind ga4."""

    kind: str
    like: str | None = None
    measurement_id: str | None = None
    secret_env: str | None = None


class StepTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[steps.<name>]`; `to` holds for each destination a name, a `TargetTable`, or false."""

    to: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    value: float | None = None
    currency: str | None = None
    action_source: str | None = None
    browser_pair: bool = False


class TargetTable(msgspec.Struct, forbid_unknown_fields=True):
    """`to.<destination>` of a step, where parameters go with the name."""

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
    """`[schedule]`; `token_expires` is a date of TOML's, or a text that holds one."""

    report_at: str = "12:30"
    zone: str = "Europe/Nicosia"
    token_expires: Any = None


class AlertsTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[alerts]`."""

    backlog_minutes: int = 30


class Problem(NamedTuple):
    """One mistake."""

    line: int
    field: str
    says: str


# msgspec's words for a type → ours.
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
    """Collects the mistakes of a file whose keys stand at `lines`."""

    def __init__(self, lines: dict[Path, int]) -> None:
        self._lines = lines
        self._found: list[Problem] = []

    def __iter__(self) -> Iterator[Problem]:
        """Give the mistakes from top to bottom."""
        return iter(sorted(self._found))

    def add(self, path: Path, says: str) -> None:
        """Note a mistake at `path`."""
        self._found.append(Problem(line_of(self._lines, path), dotted(path), says))

    def typed(self, path: Path, value: object, kind: type[T]) -> T | None:
        """Give the table `value` at `path` as a `kind`; None if it cannot be one, which is noted."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self.add(*_explained(path, str(error), kind))
            return None


def check_name(problems: Problems, where: Path, what: str) -> None:
    """See that a destination, step or form has a name that an address and a log line can hold."""
    if not _NAME.fullmatch(str(where[-1])):
        problems.add(where, f"a {what} is called by letters of A to Z, digits, and between them _ - and dots")


def check_money(problems: Problems, where: Path, value: float | None, currency: str | None) -> None:
    """See that a value is an amount, and has a currency."""
    if value is not None and not (math.isfinite(value) and 0 <= value < 1e12):
        problems.add((*where, "value"), "expected an amount of money")
    if value is not None and currency is None:
        problems.add((*where, "value"), 'a value needs a currency beside it, such as currency = "EUR"')
    if currency is not None and not (currency.isupper() and pycountry.currencies.get(alpha_3=currency)):
        problems.add((*where, "currency"), "expected a code of ISO 4217, such as EUR")


def check_scalar(problems: Problems, where: Path, value: object) -> None:
    """See that a parameter's value is one that every destination takes."""
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        problems.add(where, "expected a text, a number, or true or false")
    elif isinstance(value, str) and not 0 < len(value) <= MAX_PARAMETER:
        problems.add(where, f"expected a text of 1 to {MAX_PARAMETER} characters")


def dotted(path: Path) -> str:
    """Give a path as it is written in TOML, for reading."""
    return ".".join(
        str(part) if isinstance(part, int) or re.fullmatch(r"[\w-]+", part) else f'"{part}"' for part in path
    )


def one_of(choices: Iterable[str]) -> str:
    """Give choices as a sentence's end."""
    *rest, last = choices
    return f"{', '.join(rest)} or {last}" if rest else last


def suggestion(name: str, known: Iterable[str]) -> str:
    """Give what was probably meant by `name`, else what there is."""
    listed = list(known)
    close = get_close_matches(name, listed, 1)
    return f"did you mean {close[0]}?" if close else f"there is {one_of(listed)}" if listed else "there is none"


def _explained(path: Path, message: str, kind: type[msgspec.Struct]) -> tuple[Path, str]:
    """Give where a message of msgspec's points to, and what it says in our words."""
    if where := _WHERE.search(message):
        path = (*path, *(name or int(index) for name, index in _STEP.findall(where[1])))
    if unknown := _UNKNOWN.search(message):
        name = unknown[1]
        if _SECRET.search(name):
            return (*path, name), "a secret never stands in this file; name the variable that holds it (token_env)"
        return (*path, name), f"unknown; {suggestion(name, kind.__struct_fields__)}"
    if missing := _MISSING.search(message):
        return (*path, missing[1]), "missing"
    if message.startswith("Invalid enum value"):
        (field,) = (field for field in msgspec.structs.fields(kind) if field.name == path[-1])
        return path, f"expected {one_of(get_args(field.type))}"
    expected = _EXPECTED.search(message)
    kinds = [_TYPES[name] for name in (expected[1] if expected else "").split(" | ") if name in _TYPES]
    return path, f"expected {one_of(kinds)}" if kinds else "cannot be used"
