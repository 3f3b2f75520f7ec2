"""The queries of `schema/queries`, one file each; the name of a file is unique across its folders."""

from __future__ import annotations

from functools import cache

from dispatcher.database.data_files import data_folder


@cache
def load(name: str) -> str:
    """Return the text of the query `name` (the file `<name>.sql` in one of the folders of `schema/queries`)."""
    (path,) = (data_folder("schema") / "queries").glob(f"*/{name}.sql")
    return path.read_text(encoding="utf-8")
