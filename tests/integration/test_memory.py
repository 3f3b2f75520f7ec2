"""What a daemon holds in memory: what it works with, for as long as it works with it."""

from __future__ import annotations

import gc
import subprocess
import sys

from dispatcher.delivery.batch_settler import BatchSettler
from dispatcher.identity.graph import Fragment, IdentityGraph
from dispatcher.models import Lease
from tests.support.paths import ROOT

JOURNEY = (
    {"name": "lead_submitted", "lead_id": "l1", "person": {"email": "ada@example.com", "phone": "+35725123456"}},
    {"name": "trial_downloaded", "lead_id": "l1"},
    {"name": "account_created", "account_id": "a1", "person": {"email": "ada@example.com"}},
)
OF_A_BATCH = (Lease, BatchSettler, IdentityGraph, Fragment)


async def test_what_was_delivered_needs_no_garbage_collector_to_leave_memory(spine):
    gc.collect()
    gc.disable()
    try:
        for event in JOURNEY:
            spine.record(handl_id="h1", **event)
            await spine.drain()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = {type(each).__name__ for each in gc.garbage if isinstance(each, OF_A_BATCH)}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert len(spine.receipts()) == 2 * len(JOURNEY)
    assert left == set()


def test_a_command_does_not_load_what_only_migrations_and_the_demo_need():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, dispatcher.cli; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "dispatcher.daemon" in loaded
    assert {"sqlalchemy", "alembic", "apprise"}.isdisjoint(loaded)
