"""Finding and reading `outbox.toml`. All mistakes are told at once, each with its line and field.

What the file says is added to the defaults, or replaces what has the same name; with `defaults = false` there is
nothing but what the file says. A value is quoted only where it cannot be a secret.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispatcher.config import destinations, forms, funnel, schedule
from dispatcher.config.models import Config, ConfigError
from dispatcher.config.toml_lines import lines
from dispatcher.config.toml_tables import FileTable, Problems

FILE = Path("outbox.toml")

# Names with dots between them, far more than any table has above it: tomllib takes quadratic time for those.
_TOO_DEEP = re.compile(r"(?<![\w-])(?:[\w-]{1,100}[ \t]{0,9}\.[ \t]{0,9}){32}")
_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def find(named: str, environment: Mapping[str, str]) -> Config:
    """Read the file `named`, or `outbox.toml` in the current folder; without either, give the defaults.

    `environment` holds the secrets whose variables the file names.
    """
    if not named and not FILE.exists():
        return Config()
    return load(Path(named) if named else FILE, environment)


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Read the file `path`; raise `ConfigError` with all that is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); OUTBOX_CONFIG says which file to read"
        ) from error
    text = _decode(path, content)
    parsed = _parse(path, text)
    problems = Problems(lines(text))
    config = _read(path, parsed, problems, environment)
    if says := [f"{path}, line {line}{field and f', {field}'}: {what}" for line, field, what in problems]:
        raise ConfigError("\n".join(says))
    return config


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8; save the file in that encoding") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    if _TOO_DEEP.search(text):
        raise ConfigError(f"{path}: nested too deeply")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at and at[1] else text.count("\n") + 1
        what = _AT.sub("", str(error))
        raise ConfigError(f"{path}, line {line}: {what}; this is no TOML (https://toml.io)") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply") from error


def _read(path: Path, parsed: dict[str, Any], problems: Problems, environment: Mapping[str, str]) -> Config:
    """Give the configuration; of use only if there are no problems."""
    table = problems.typed((), parsed, FileTable)
    if table is None:
        return Config()
    accounts, likes = destinations.read(table, problems, environment)
    # What is wrong with a destination or step is told there, and not once more wherever it is named.
    kinds = dict.fromkeys(table.destinations, "") | {account.name: account.kind for account in accounts}
    steps = funnel.read(table, problems, kinds, likes)
    return Config(
        path=path,
        steps=tuple(steps),
        accounts=tuple(accounts),
        forms=tuple(forms.read(table, problems, {*table.steps, *(step.name for step in steps)})),
        serve=forms.read_serve(table, problems),
        stripe=forms.read_stripe(table, problems),
        schedule=schedule.read(table, problems),
        alerts=schedule.read_alerts(table, problems),
    )
