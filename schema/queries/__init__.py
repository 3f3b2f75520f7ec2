"""The queries, a file each; `load` reads one, once."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def load(name: str) -> str:
    """Give the text of the query `name` (the file `name.sql` beside this one)."""
    return resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
