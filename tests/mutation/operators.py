"""The ways in which a line is changed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

PYTHON: tuple[tuple[str, str], ...] = (
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" <= ", " < "),
    (r" >= ", " > "),
    (r" == ", " != "),
    (r" is None", " is not None"),
    (r" is not None", " is None"),
    (r" and ", " or "),
    (r" or ", " and "),
    (r"\bnot ", ""),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r"\bTrue\b", "False"),
    (r"\bFalse\b", "True"),
    (r"\bmax\(", "min("),
    (r"\bmin\(", "max("),
)
SQL: tuple[tuple[str, str], ...] = (
    (r" FOR UPDATE", ""),
    (r" SKIP LOCKED", ""),
    (r" < ", " <= "),
    (r" <= ", " < "),
    (r" > ", " >= "),
    (r" >= ", " > "),
    (r" = ", " <> "),
    (r"\bAND (?!CASE|\(SELECT)[^()]+$", ""),
    (r" IS NOT NULL", " IS NULL"),
    (r" IS NULL", " IS NOT NULL"),
    (r"\bEXISTS\b", "NOT EXISTS"),
    (r" \+ 1\b", " + 2"),
    (r"\bleast\(", "greatest("),
    (r"\bgreatest\(", "least("),
    (r"'uncertain'", "'transient'"),
    (r"'failed'", "'skipped'"),
    (r"coalesce\((\w+), (\w+)\)", r"\2"),
    (r"coalesce\((\w+), (\w+)\)", r"\1"),
    (r" DESC", ""),
)


def mutants(text: str, *, is_sql: bool) -> Iterator[tuple[int, str]]:
    """Yield each changed line with its number (from 0). Comments, docstrings, imports and log lines stay."""
    in_text = False
    for number, line in enumerate(text.splitlines()):
        quotes = line.count('"""')
        if not is_sql and (quotes or in_text):
            in_text ^= quotes % 2 == 1
            continue
        code = line.split(" -- " if is_sql else "  # ")[0]
        if _is_left_alone(code.strip()):
            continue
        for pattern, replacement in SQL if is_sql else PYTHON:
            changed = re.sub(pattern, replacement, code, count=1)
            if changed != code:
                yield number, changed
        if not is_sql and re.fullmatch(r"\s+(await )?[\w.]+\([^()]*\)", code):  # a call for its effect
            yield number, code[: len(code) - len(code.lstrip())] + "pass"


def _is_left_alone(code: str) -> bool:
    return not code or code.startswith(("--", "#", "from ", "import ", "log.", "@", "def ", "class ", "async def "))
