"""A worker in which one event does something terrible at one stage: what a mistake of ours or of a library could do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

from tests.support.paths import ROOT

BOOT = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from tests.support.poison import {{0}}
sys.exit({{0}}())
"""

MARK = 77
"""The id of the event that is poisoned."""

STAGES = ("seal", "fold", "build", "look up", "settle", "settle intake")


def raise_error() -> None:
    raise RuntimeError("poison")


def loop_for_ever() -> None:
    while True:
        pass


def hang_in_c() -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


def run_out_of_memory() -> None:
    bytearray(1 << 62)


def exit_at_once() -> None:
    os._exit(1)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


KINDS: dict[str, Callable[[], None]] = {
    "error": raise_error,
    "loop": loop_for_ever,
    "hang": hang_in_c,
    "memory": run_out_of_memory,
    "exit": exit_at_once,
    "kill": kill_itself,
}


def install(stage: str, kind: str) -> None:  # noqa: C901 - a table of stages
    """Poison this process."""
    from dispatcher.database.connections import Database
    from dispatcher.delivery.queue import PostgresQueue
    from dispatcher.destinations.meta import destination as meta
    from dispatcher.identity.resolver import PersonResolver
    from dispatcher.intake import folding

    do = KINDS[kind]

    def before(owner: Any, name: str, is_poisoned: Callable[..., bool]) -> None:
        inner = getattr(owner, name)
        if asyncio.iscoroutinefunction(inner):

            async def wrapped(*arguments: Any, **named: Any) -> Any:
                if is_poisoned(*arguments, **named):
                    do()
                return await inner(*arguments, **named)

        else:

            def wrapped(*arguments: Any, **named: Any) -> Any:
                if is_poisoned(*arguments, **named):
                    do()
                return inner(*arguments, **named)

        setattr(owner, name, wrapped)

    match stage:
        case "seal":
            before(folding, "seal", lambda person, **_: person.get("city") == "poison")
        case "fold":
            before(folding, "fold", lambda facts: any(fact.position[1] == MARK for fact in facts))
        case "build":
            before(meta, "build", lambda delivery, *_, **__: delivery.event.id == MARK)
        case "look up":
            before(PersonResolver, "look_up", lambda _, events: any(event.id == MARK for event in events))
        case "settle":
            before(PostgresQueue, "settle", lambda _, __, settled: any(each.event_id == MARK for each in settled))
        case "settle intake":

            def holds_it(_: Database, query: str, params: Any = None) -> bool:
                return query == "settle_events" and any(MARK in group["event_ids"] for group in params["pending"].obj)

            before(Database, "run", holds_it)


def main() -> int:
    """Run a poisoned worker."""
    from dispatcher import worker

    with contextlib.suppress(KeyError):
        install(os.environ["POISON_STAGE"], os.environ["POISON_KIND"])
    return worker.main()


def supervise() -> None:
    """Run `outbox dispatch` with poisoned workers, impatiently."""
    from dispatcher import cli, supervisor

    make_impatient(supervisor)
    sys.argv = ["outbox", "dispatch"]
    cli.main()


def make_impatient(supervisor: Any) -> None:
    """Let a supervisor start poisoned workers, and not wait as long for them as it should."""
    supervisor._BOOT = BOOT.format("main")
    supervisor.HANG_SECONDS = 2.5
    supervisor.RESTART_SECONDS = 0.1
