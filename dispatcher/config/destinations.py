"""`[destinations.<name>]`: accounts at destinations; their secrets come from the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

import msgspec

from dispatcher.config.kinds import KindConfig, kinds
from dispatcher.config.models import Account, default_accounts
from dispatcher.config.settings import Secret
from dispatcher.config.toml_lines import Path
from dispatcher.config.toml_tables import FileTable, Problems, check_name, one_of, suggestion
from dispatcher.config.variables import declared

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,99}")


def read(table: FileTable, problems: Problems, environment: Mapping[str, str]) -> tuple[list[Account], dict[str, str]]:
    """Return the destinations, and for each one with `like` the destination whose routes it copies."""
    accounts = {account.name: account for account in default_accounts() if table.defaults}
    likes: dict[str, str] = {}
    for name, value in table.destinations.items():
        where: Path = ("destinations", name)
        check_name(problems, where, "destination")
        stated: Mapping[str, Any] = value if isinstance(value, dict) else {}
        kind = stated.get("kind")
        if not isinstance(kind, str) or kind not in kinds():
            problems.add((*where, "kind"), f"expected {one_of(kinds())}")
            continue
        if name in kinds() and name != kind:
            problems.add((*where, "kind"), f"a destination named {name} must be of kind {name}; choose another name")
            continue
        account = _account(where, value, kinds()[kind], problems, environment)
        if account:
            accounts[name] = account
        if isinstance(like := stated.get("like"), str):
            likes[name] = like
    _check_likes(accounts, likes, problems)
    _check_twice(accounts.values(), problems, environment)
    return list(accounts.values()), likes


@cache
def _table_of(kind: KindConfig) -> type[msgspec.Struct]:
    """Return the type of a table of this kind: `kind`, `like`, and the settings that a file may state."""
    keys = [each.metadata["toml"] for each in declared(kind.settings) if each.metadata["toml"]]
    optional = [(key, str | None if key.endswith("_env") else str | int | None, None) for key in keys]
    return msgspec.defstruct(
        f"{kind.label}Table",
        [("kind", str), ("like", str | None, None), *optional],
        forbid_unknown_fields=True,
    )


def _account(
    where: Path, value: object, kind: KindConfig, problems: Problems, environment: Mapping[str, str]
) -> Account | None:
    table = problems.typed(where, value, _table_of(kind))
    if table is None:
        return None
    stated: dict[str, Any] = {}
    variables: dict[str, str] = {}
    for each in declared(kind.settings):
        key = each.metadata["toml"]
        found = getattr(table, key) if key else None
        if found is None:
            continue
        if key.endswith("_env"):
            variables[each.name] = found
            secret = _secret((*where, key), found, problems, environment, f"{kind.name.upper()}_DEALERS_TOKEN")
            stated[each.name] = secret if isinstance(each.default, Secret) else secret.reveal()
        else:
            stated[each.name] = str(found)
            if problem := each.metadata["check"](str(found)):
                problems.add((*where, key), problem)
    return Account(name=str(where[-1]), kind=kind.name, stated=stated, variables=variables)


def _secret(where: Path, variable: str, problems: Problems, environment: Mapping[str, str], example: str) -> Secret:
    """Return the value of an environment variable; empty if it is not set: then the destination is halted."""
    if not _VARIABLE.fullmatch(variable):  # never quoted: it may be the secret itself
        problems.add(where, f"expected the name of an environment variable, such as {example}")
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
    seen: dict[tuple[str, str], str] = {}
    for account in accounts:
        kind = kinds()[account.kind]
        default = next(str(each.default) for each in fields(kind.settings) if each.name == kind.id)
        own = account.stated.get(kind.id) or environment.get(kind.variable(kind.id), "").strip() or default
        if first := seen.get((account.kind, own)):
            key = kind.metadata(kind.id)["toml"]
            says = f"the same as that of {first}, which would get every event twice; give each its own {key}"
            problems.add(("destinations", account.name, key), says)
        seen.setdefault((account.kind, own), account.name)
