"""The progress of long work: a bar on a terminal, nothing elsewhere. It is written to standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

Update = Callable[[int, int | None], None]
"""Called with how much is done, and the total (None: unknown)."""


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Update]:
    """Show the progress of the work `what`. Yield a function to call with each update."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _done, _total: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(
            task, completed=done, total=total, description=what if total else f"{what}: {done}"
        )
