"""No regular expression of ours takes more than linear time, in the way in which it is used.

The expressions are found, not listed: those that stand at the top of a module, bound to a method or not, and those that
are written inside a function. How one is used (`search`, `fullmatch`, …) is read from the sources.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from typing import NamedTuple

import pytest

from tests.support.modules import modules, source_of
from tests.support.nasty import growing

AT_LEAST = 100
"""So many uses of expressions are found today. It only grows: fewer means that the search broke."""

METHODS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}


class Use(NamedTuple):
    """One expression and a method of it that is called."""

    place: str
    pattern: re.Pattern
    method: str


def uses():
    """Give each expression with each way in which it is used."""
    called = defaultdict(set)  # by the name of the variable; of a private one in its own module
    for name in modules():
        for node in ast.walk(ast.parse(source_of(name))):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                chosen = (node.value.body, node.value.orelse) if isinstance(node.value, ast.IfExp) else (node.value,)
                for variable in (ast.unparse(one).rpartition(".")[2] for one in chosen):
                    called[(name if variable.startswith("_") else "", variable)].add(node.attr)
    found = {}
    for name in modules():
        for place, pattern, method in (*_at_the_top(name, called), *_written_inside(name)):
            found.setdefault((pattern, method), place)
    return [Use(place, pattern, method) for (pattern, method), place in found.items()]


def _at_the_top(name, called):
    for variable, value in vars(importlib.import_module(name)).items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, re.Pattern):
                ways = called[(name if variable.startswith("_") else "", variable)]
                for method in sorted(ways or {"match", "fullmatch", "search"}):
                    yield f"{name}.{variable}", one, method
            elif isinstance(getattr(one, "__self__", None), re.Pattern):
                yield f"{name}.{variable}", one.__self__, one.__name__


def _written_inside(name):
    for node in ast.walk(ast.parse(source_of(name))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args):
            continue
        method = ast.unparse(node.func).removeprefix("re.")
        if method in METHODS and isinstance(node.args[0], ast.Constant):
            yield name, re.compile(node.args[0].value), method


USES = uses()


def test_the_expressions_are_found():
    assert len(USES) >= AT_LEAST, len(USES)


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.place}.{use.method}")
def test_an_expression_takes_linear_time(use):
    method = getattr(use.pattern, use.method)
    is_text = isinstance(use.pattern.pattern, str)

    def work(text):
        given = text if is_text else text.encode("utf-8", "surrogatepass")
        if use.method in {"sub", "subn"}:
            return method("" if is_text else b"", given)
        if use.method == "finditer":
            return list(method(given))
        return method(given)

    assert growing(work) is None
