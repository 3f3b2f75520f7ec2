"""`outbox demo --once`: an automatic visit, and what arrived, on one screen."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from rich.console import Console

from dispatcher.demo import proof, search
from dispatcher.demo.stack import HOME, Demo, running, stop_on_signals, until
from dispatcher.demo.story import RAW, StoryError, visit
from dispatcher.destinations import registry


async def once(console: Console, *, host: str, port: int | None, sandbox_port: int | None, home: Path = HOME) -> bool:
    """Visit the site, wait for the arrivals, search for leaks, print it all. Return False if anything went wrong."""
    stop = stop_on_signals()
    with _collected_logs() as logs:
        async with running(home, host=host, port=port, sandbox_port=sandbox_port, console_port=0) as demo:
            task = asyncio.create_task(_show(console, demo, logs))
            await until(stop, task, demo.dispatcher)
            if task.done():
                return task.result()
            task.cancel()
            console.print("Stopped before the end.")
            return False


async def _show(console: Console, demo: Demo, logs: io.StringIO) -> bool:
    console.print(f"A visit to {demo.site}, delivered to the sandbox at {demo.sandbox.url}\n", highlight=False)
    try:
        seen = await visit(demo.site)
    except StoryError as error:
        console.print(f"The visit failed: {error}.\n{logs.getvalue()}", highlight=False, markup=False)
        return False
    ledger = demo.sandbox.ledger
    proofs = await proof.arrived(ledger, seen)
    proof.show(console, proofs)
    console.print()
    wrong = list(proof.problems(seen, proofs, ledger))
    kinds = registry.kinds().values()
    secrets = {kind.variable(kind.secret): getattr(demo.settings.of(kind.name), kind.secret) for kind in kinds}
    needles = {**RAW, **{variable: secret.reveal() for variable, secret in secrets.items()}}
    found, places = await search.leaks(demo.database_url, demo.sandbox.url, logs.getvalue(), needles)
    for sentence in (*wrong, *found):
        console.print(f"❌ {sentence}", highlight=False, markup=False)
    if not wrong:
        console.print(
            f"✅ {len(proofs)} conversions arrived at {' and at '.join(kind.label for kind in kinds)}, each counted exactly once, without problems.\n"
            f"✅ The lead carries the event_id of the landing page, {seen.event_id}.",
            highlight=False,
        )
    if not found:
        console.print(
            f"✅ Searched {places} places (every table of the schema outbox, the sandbox's ledger and page, the logs):\n"
            "   no raw e-mail, phone or name, and no secret. The CRM's own tables hold them, as they should.",
            highlight=False,
        )
    if wrong or found:
        console.print(logs.getvalue(), highlight=False, markup=False)
    return not (wrong or found)


@contextmanager
def _collected_logs() -> Iterator[io.StringIO]:
    """Collect all log lines of this process in a text, which is searched at the end and shown if something is wrong."""
    lines = io.StringIO()
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(lines), cache_logger_on_first_use=False)
    handler = logging.StreamHandler(lines)
    logging.getLogger().addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(handler)
        structlog.configure(**before)
