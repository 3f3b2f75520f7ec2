"""One event harms itself only, at every stage and whatever it does; the others arrive, and nothing is called uncertain."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from dispatcher import supervisor
from dispatcher.config import Config
from tests.support.paths import ROOT
from tests.support.poison import KINDS, MARK, STAGES
from tests.support.waiting import until

BOOT = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from tests.support.poison import main
sys.exit(main())
"""
EVENTS = 200
FATAL = ("loop", "hang", "exit", "kill")


def record(spine):
    for number in range(1, EVENTS + 1):
        person = {"email": f"p{number}@example.com", "city": "poison" if number == MARK else "Limassol"}
        spine.record(name="lead_submitted", event_id=f"e{number}", lead_id=f"L{number}", person=person)


@contextlib.asynccontextmanager
async def supervised(spine, monkeypatch, stage, kind):
    monkeypatch.setattr(supervisor, "_BOOT", BOOT)
    monkeypatch.setattr(supervisor, "HANG_SECONDS", 2.5)
    monkeypatch.setattr(supervisor, "RESTART_SECONDS", 0.1)
    environment = {
        "META_CAPI_TOKEN": "test-token", "META_CAPI_BASE_URL": spine.settings.meta_base_url,
        "GA4_API_SECRET": "test-secret", "GA4_MP_BASE_URL": spine.settings.ga4_base_url,
        "POISON_STAGE": stage, "POISON_KIND": kind,
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with supervisor.running(
        spine.settings, spine.database_url, Config(), count=1, arguments=[], is_drain=False
    ) as running:
        task = asyncio.create_task(running.run())
        try:
            yield running
        finally:
            running.stop()
            await task


def harmed(stage):
    """Where the poisoned event is given up."""
    if stage in {"seal", "fold", "settle intake"}:
        return {"meta", "ga4"}
    return {"meta"} if stage == "build" else {"meta", "ga4"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", STAGES)
async def test_the_culprit_is_alone_and_ends_as_failed_and_all_others_arrive(spine, monkeypatch, stage, kind):
    record(spine)
    async with supervised(spine, monkeypatch, stage, kind):
        await until(lambda: spine.count("receipt") == 2 * EVENTS, seconds=100)
    receipts = spine.receipts()
    others = {outcome for (event, _), (outcome, _) in receipts.items() if event != f"e{MARK}"}
    assert others == {"delivered"}
    for destination in ("meta", "ga4"):
        outcome, reason = receipts[f"e{MARK}", destination]
        if destination not in harmed(stage) or stage == "settle":
            assert outcome in {"delivered", "failed"}
        else:
            assert outcome == "failed"
            assert reason in {"cannot be processed", "cannot be built"}
    uncertain = spine.connection.execute(
        "SELECT count(*) FROM outbox.attempt WHERE outcome = 'uncertain' AND event_id <> %s", (MARK,)
    ).fetchone()[0]
    if stage != "settle":
        assert uncertain == 0
