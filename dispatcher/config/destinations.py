"""`[destinations.<name>]`: pixels and streams; their secrets come from the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dispatcher.config.event_names import EVENT_NAMES
from dispatcher.config.models import ACCOUNTS, Account
from dispatcher.config.settings import Secret, Settings
from dispatcher.config.toml_lines import Path
from dispatcher.config.toml_tables import FileTable, GA4Table, MetaTable, Problems, check_name, one_of, suggestion

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,99}")
_PIXEL = re.compile(r"[0-9]{5,20}")
_STREAM = re.compile(r"G-[A-Z0-9]{4,16}")


def read(table: FileTable, problems: Problems, environment: Mapping[str, str]) -> tuple[list[Account], dict[str, str]]:
    """Return the destinations, and for each one with `like` the destination whose routes it copies."""
    accounts = {account.name: account for account in ACCOUNTS if table.defaults}
    likes: dict[str, str] = {}
    for name, value in table.destinations.items():
        where: Path = ("destinations", name)
        check_name(problems, where, "destination")
        stated: Mapping[str, Any] = value if isinstance(value, dict) else {}
        kind = stated.get("kind")
        if not isinstance(kind, str) or kind not in EVENT_NAMES:
            problems.add((*where, "kind"), f"expected {one_of(EVENT_NAMES)}")
            continue
        if name in EVENT_NAMES and name != kind:
            problems.add((*where, "kind"), f"a destination named {name} must be of kind {name}; choose another name")
            continue
        account = (_pixel if kind == "meta" else _stream)(where, value, problems, environment)
        if account:
            accounts[name] = account
        if isinstance(like := stated.get("like"), str):
            likes[name] = like
    _check_likes(accounts, likes, problems)
    _check_twice(accounts.values(), problems, environment)
    return list(accounts.values()), likes


def _pixel(where: Path, value: object, problems: Problems, environment: Mapping[str, str]) -> Account | None:
    table = problems.typed(where, value, MetaTable)
    if table is None:
        return None
    pixel = None if table.pixel_id is None else str(table.pixel_id)
    if pixel is not None and not _PIXEL.fullmatch(pixel):
        problems.add((*where, "pixel_id"), "expected the pixel's number, such as 1530042020969436")
    code = _secret((*where, "test_code_env"), table.test_code_env, problems, environment)
    return Account(
        name=str(where[-1]),
        kind="meta",
        id=pixel,
        secret_variable=table.token_env,
        secret=_secret((*where, "token_env"), table.token_env, problems, environment),
        test_code=None if table.test_code_env is None else code.reveal(),
    )


def _stream(where: Path, value: object, problems: Problems, environment: Mapping[str, str]) -> Account | None:
    table = problems.typed(where, value, GA4Table)
    if table is None:
        return None
    if table.measurement_id is not None and not _STREAM.fullmatch(table.measurement_id):
        problems.add((*where, "measurement_id"), "expected a measurement id, such as G-XLHMXGR17M")
    return Account(
        name=str(where[-1]),
        kind="ga4",
        id=table.measurement_id,
        secret_variable=table.secret_env,
        secret=_secret((*where, "secret_env"), table.secret_env, problems, environment),
    )


def _secret(where: Path, variable: str | None, problems: Problems, environment: Mapping[str, str]) -> Secret:
    """Return the value of an environment variable; empty if it is not set: then the destination is halted."""
    if variable is None:
        return Secret()
    if not _VARIABLE.fullmatch(variable):  # never quoted: it may be the secret itself
        problems.add(where, "expected the name of an environment variable, such as META_DEALERS_TOKEN")
        return Secret()
    value = environment.get(variable, "").strip()
    if not (value.isascii() and value.isprintable()):
        problems.add(where, "the variable contains characters that cannot be sent; set it again")
    return Secret(value)


def _check_likes(accounts: Mapping[str, Account], likes: Mapping[str, str], problems: Problems) -> None:
    others = [name for name in accounts if name not in likes]
    for name, like in likes.items():
        where = ("destinations", name, "like")
        if like not in others:
            problems.add(where, f"expected another destination without a `like` of its own; {suggestion(like, others)}")
        elif name in accounts and accounts[like].kind != accounts[name].kind:
            problems.add(where, f"{like} is of kind {accounts[like].kind}: its event names would be wrong here")


def _check_twice(accounts: Iterable[Account], problems: Problems, environment: Mapping[str, str]) -> None:
    """Check that no account gets every event twice, under two names."""
    defaults = Settings()
    own = {
        "meta": ("pixel_id", environment.get("META_PIXEL_ID", "").strip() or defaults.meta_pixel_id),
        "ga4": ("measurement_id", environment.get("GA4_MEASUREMENT_ID", "").strip() or defaults.ga4_measurement_id),
    }
    seen: dict[tuple[str, str], str] = {}
    for account in accounts:
        key, default = own[account.kind]
        if first := seen.get((account.kind, account.id or default)):
            says = f"the same as that of {first}, which would get every event twice; give each its own {key}"
            problems.add(("destinations", account.name, key), says)
        seen.setdefault((account.kind, account.id or default), account.name)
