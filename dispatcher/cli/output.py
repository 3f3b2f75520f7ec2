"""How a listing is printed: a table on a terminal, aligned columns elsewhere, JSON with `--json`.

Every command that lists something has `--json`, and prints through here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

COLOURS = {"ok": "green", "warning": "yellow", "error": "bold red"}
"""Cell texts that are coloured on a terminal. The meaning is in the text, not only in the colour."""


def print_json(value: Any) -> None:
    """Print `value` as one line of JSON."""
    typer.echo(msgspec.json.encode(value))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print rows under column headings. Cells are printed literally, never interpreted as markup."""
    if sys.stdout.isatty():
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
        Console().print(table)
        return
    if title:
        typer.echo(title)
    widths = [max(len(row[number]) for row in (columns, *rows)) for number in range(len(columns))]
    for row in (columns, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
