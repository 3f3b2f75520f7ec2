"""Where the SQL files and Alembic's scripts are: inside `dispatcher` once it is installed, beside it in a checkout.

`schema/` and `migrations/` are no import packages, because other people's are called that. A wheel carries them as data
of `dispatcher`; an editable install and a checkout have them beside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def data_folder(name: str) -> Path:
    """Return the folder `name` ("schema" or "migrations")."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
