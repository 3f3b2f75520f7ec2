"""A merge that cannot be processed harms itself only: it comes back alone, and is given up; all others are processed."""

from __future__ import annotations

import pytest

from dispatcher import daemon
from dispatcher.resend import planner
from tests.support.waiting import until

MERGES = 20
CULPRIT = "lead7"


@pytest.fixture
async def merged(spine):
    """Leads that were delivered, and then sign-ins that give each an e-mail address; the merges are not processed yet."""
    for number in range(MERGES):
        spine.record(name="lead_submitted", event_id=f"lead{number}", handl_id=f"H{number}", lead_id=f"L{number}")
    await spine.drain()
    for number in range(MERGES):
        person = {"email": f"a{number}@b.co"}
        spine.record(
            name="signed_in", event_id=f"in{number}", handl_id=f"H{number}", account_id=f"A{number}", person=person
        )


@pytest.fixture
def poison(monkeypatch):
    """Let the look-up of one lead after a merge do something."""

    def install(act):
        assess = planner.Resender.assess

        async def poisoned(self, events):
            if any(event.event_id == CULPRIT for event in events):
                act()
            return await assess(self, events)

        monkeypatch.setattr(planner.Resender, "assess", poisoned)

    return install


def fail():
    raise RuntimeError("poison")


@pytest.mark.usefixtures("merged")
async def test_an_error_over_one_merge_leaves_all_others_processed(spine, poison):
    poison(fail)
    await spine.drain()
    sent_again = {arrival.event_id for arrival in spine.arrivals("meta") if arrival.verdict == "duplicate"}
    assert sent_again == {f"lead{number}" for number in range(MERGES)} - {CULPRIT}
    assert spine.count("merge") == 0
    notes = spine.connection.execute("SELECT event_id, notes FROM outbox.event WHERE notes IS NOT NULL").fetchall()
    assert notes == [("in7", ["merge: cannot be processed, nothing was sent again"])]


@pytest.mark.usefixtures("merged")
async def test_a_claim_that_nobody_finished_is_a_loss(spine, monkeypatch):
    """As after a kill: the process is gone, and its merges become due again, in a smaller part."""

    class Gone(BaseException):
        pass

    claimed = []

    async def die(_, ids, __):
        claimed.append(len(ids))
        raise Gone

    async with daemon.running(spine.settings, spine.database_url) as running:
        while await running.intake.step():
            pass
        await running.intake.finish()
        await until(lambda: spine.count("merge") == MERGES)
        with monkeypatch.context() as patched:
            patched.setattr(planner.Resender, "_process", die)
            for _ in range(5):
                with pytest.raises(Gone):
                    await running.resender.step()
                spine.clock.move(seconds=2 * planner.CLAIM_SECONDS)
        assert claimed == [MERGES, MERGES, 16, 2, 1]
        while await running.resender.step():
            pass
    assert spine.count("merge") == 0
    given_up = "SELECT count(*) FROM outbox.event WHERE notes::text LIKE '%%merge: cannot be processed%%'"
    assert spine.connection.execute(given_up).fetchone() == (1,)


@pytest.mark.usefixtures("merged")
async def test_too_many_in_a_row_are_not_given_up(spine, monkeypatch):
    """Then it is not the events: a mistake of ours in all of them."""

    async def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(planner.Resender, "_process", broken)
    async with daemon.running(spine.settings, spine.database_url) as running:
        while await running.intake.step():
            pass
        await running.intake.finish()
        for _ in range(50):
            await running.resender.step()
    assert spine.count("merge") == MERGES - 3
