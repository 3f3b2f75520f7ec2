"""Finds and reads `outbox.toml`, and reports all mistakes at once, each with its line and field.

The entries of the file are added to the defaults or replace those of the same name; with `defaults = false` only the file's
entries exist. A message quotes a value only where it cannot be a secret.
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
    """Return the configuration of the file `named`, else of `outbox.toml` in the current folder, else the defaults.

    `environment` holds the secrets whose variables the file names.
    """
    if not named and not FILE.exists():
        return Config()
    return load(Path(named) if named else FILE, environment)


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Return the configuration of the file `path`; raise `ConfigError` with all its mistakes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); OUTBOX_CONFIG names the file to read") from error
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
        raise ConfigError(f"{path}, line {line}: not UTF-8; save the file in UTF-8") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    if _TOO_DEEP.search(text):
        raise ConfigError(f"{path}: nested too deeply")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at and at[1] else text.count("\n") + 1
        what = _AT.sub("", str(error))
        raise ConfigError(f"{path}, line {line}: {what}; not valid TOML (https://toml.io)") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply") from error


def _read(path: Path, parsed: dict[str, Any], problems: Problems, environment: Mapping[str, str]) -> Config:
    """Return the configuration; usable only if there are no problems."""
    table = problems.typed((), parsed, FileTable)
    if table is None:
        return Config()
    accounts, likes = destinations.read(table, problems, environment)
    # A mistake in a destination or step is reported there, and not again wherever it is named.
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
