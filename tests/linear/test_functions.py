"""No function of ours that takes a text from outside takes more than linear time, whatever the text is.

The functions are found, not listed: all at the top of a module, private ones too, whose parameters the table `GIVEN` can
fill, by their type or name. Functions of the command line and of what talks to a database or the network are left out by
module; what they read passes through those that are tried. `SURFACES` adds what a signature does not show.
"""

from __future__ import annotations

import importlib
import inspect
from datetime import UTC, datetime
from itertools import islice
from types import FunctionType

import pytest

from tests.linear.surfaces import SURFACES
from tests.support.modules import modules
from tests.support.nasty import growing

AT_LEAST = 231
"""So many functions are found today. It only grows: fewer means that the search broke."""

OUTSIDE = (
    "dispatcher.cli", "dispatcher.database", "dispatcher.daemon", "dispatcher.demo", "dispatcher.doctor",
    "dispatcher.monitoring.alerts", "dispatcher.supervisor", "dispatcher.worker", "dispatcher.telemetry",
    "dispatcher.sandbox.app", "outbox.record", "dispatcher.config.toml_file",
)  # fmt: skip
"""Modules whose functions start processes, open files or connections, or set up logs."""

OURS = {"dispatcher.config.variables.matches"}
"""What is only ever given a text of our own: an expression."""

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def mapping(text):
    """Give a mapping with the text under every kind of key, and as one."""
    return {"value": text, "a": [text], text[:100]: text, "b": {"c": text}}


def several(text):
    """Give the text in parts, as a list."""
    return [text[at : at + 8] for at in range(0, len(text), 8)]


GIVEN = {
    "str": lambda text: text,
    "str | None": lambda text: text,
    "str | bytes": lambda text: text,
    "bytes": lambda text: text.encode("utf-8", "surrogatepass"),
    "object": lambda text: text,
    "Any": lambda text: text,
    "Mapping[str, Any]": mapping,
    "Mapping[str, str]": lambda text: {"host": text, text[:100]: text},
    "Mapping[str, object]": mapping,
    "dict[str, Any]": mapping,
    "dict[str, str]": lambda text: {"person.name": text, "details.value": text, text[:50]: text},
    "Values": lambda text: {"a": [text] * 8},
    "Sequence[Values]": lambda text: [{"a": [text] * 8}],
    "Iterable[Values]": lambda text: [{"a": [text] * 8}],
    "list[str]": several,
    "Sequence[str]": several,
    "Iterable[str]": several,
    "Iterable[object]": several,
    "Collection[str]": lambda _: {"https://example.com"},
    "Sequence[Any]": several,
    "datetime": lambda _: NOW,
    "datetime | None": lambda _: NOW,
    "int": lambda _: 1000,
    "bool": lambda _: True,
}
NAMED = {
    "notes": lambda _: [], "depth": lambda _: 4, "name": lambda text: text, "known": lambda _: ("meta", "ga4", "name"),
    "limit": lambda _: 1000, "keys": lambda _: {"account-1"}, "charset": lambda _: "utf-8", "boundary": lambda _: "b",
    "region": lambda _: "DE", "country": lambda _: "us",
}  # fmt: skip


def functions():
    """Give the functions that can be called, by name, each with what makes its arguments."""
    for module in modules():
        if module.startswith(OUTSIDE):
            continue
        for name, value in vars(importlib.import_module(module)).items():
            if f"{module}.{name}" in OURS:
                continue
            function = inspect.unwrap(value) if callable(value) else None
            if not isinstance(function, FunctionType) or value.__module__ != module:
                continue
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                continue
            if arguments := _arguments(function):
                yield f"{module}.{name}", value, arguments


def _arguments(function):
    made = {}
    takes_text = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            return None
        kind = str(parameter.annotation)
        if kind not in GIVEN:
            if parameter.default is parameter.empty:
                return None
            continue
        takes_text = takes_text or kind not in {"datetime", "datetime | None", "int", "bool"}
        made[parameter.name] = NAMED.get(parameter.name, GIVEN[kind])
    return made if takes_text else None


def call(function, arguments, text):
    """Call it, and read what it yields."""
    result = function(**{name: make(text) for name, make in arguments.items()})
    return list(islice(result, 100_000)) if inspect.isgenerator(result) else result


FOUND = list(functions())


def test_the_functions_are_found():
    assert len(FOUND) >= AT_LEAST, len(FOUND)


@pytest.mark.parametrize(("name", "function", "arguments"), FOUND, ids=[name for name, _, _ in FOUND])
def test_a_function_takes_linear_time(name, function, arguments):
    assert growing(lambda text: call(function, arguments, text)) is None, name


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
def test_a_surface_takes_linear_time(surface):
    assert growing(surface) is None
