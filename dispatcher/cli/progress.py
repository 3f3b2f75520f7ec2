"""How far long work is: a bar on a terminal, nothing elsewhere. It stands on standard error, beside any output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

Tell = Callable[[int, int | None], None]
"""Is told how much is done, and of how much (None: nobody knows)."""


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Tell]:
    """Give what is to be told how far the work `what` is."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _done, _of: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of, description=what if of else f"{what}: {done}")
