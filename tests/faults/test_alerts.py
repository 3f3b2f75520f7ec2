"""A halted destination shows everywhere and alerts once, across several dispatchers, elections and restarts."""

from __future__ import annotations

import asyncio
import signal
import urllib.request

import pytest

from tests.support.inbox import open_inbox
from tests.support.waiting import until

ATTENTION, ALL_CLEAR = "Conversions: attention", "Conversions: all clear"


@pytest.fixture
async def inbox():
    async with open_inbox() as inbox:
        yield inbox


def alerts(inbox):
    """Return the alerts; a daily report may arrive in between."""
    return [(title, body) for title, body in inbox.mail if title in {ATTENTION, ALL_CLEAR}]


def titles(inbox):
    return [title for title, _ in alerts(inbox)]


def scraped(dispatcher):
    """Return the text of the metrics."""
    with urllib.request.urlopen(dispatcher.address() + "/metrics", timeout=10) as answer:
        return answer.read().decode()


async def eventually_scraped(dispatcher, *lines, seconds=30):
    """Wait until each of `lines` is among the metrics."""
    async with asyncio.timeout(seconds):
        while not set(lines) <= set((await asyncio.to_thread(scraped, dispatcher)).splitlines()):
            await asyncio.sleep(0.2)


async def test_one_alert_and_one_all_clear(spine, dispatch, inbox, clock):
    def start():
        return dispatch(spine.database_url, "--port", "0", OUTBOX_ALERT_URLS=inbox.url)

    spine.faults("meta", rates={"token_invalid": 1.0})
    dispatchers = [start() for _ in range(3)]
    for number in range(20):
        spine.record(
            name="lead_submitted", event_id=f"e{number}", lead_id=str(number), person={"email": "ada@example.com"}
        )
    await until(lambda: alerts(inbox))
    assert "META_CAPI_TOKEN" in alerts(inbox)[0][1]
    await eventually_scraped(
        dispatchers[0],
        'outbox_destination_state{destination="meta",state="halted"} 1.0',
        'outbox_destination_state{destination="ga4",state="running"} 1.0',
        'outbox_pending{destination="meta"} 20.0',
        'outbox_alerts{kind="halted"} 1.0',
        "outbox_dispatchers 3.0",
    )
    status, ready = await asyncio.to_thread(dispatchers[0].health, "/readyz")
    assert (status, ready["destinations"]["meta"]["state"]) == (503, "halted")

    # The leader is killed, another dispatcher restarted: the alert is neither repeated nor resolved.
    elected = spine.connection.execute("SELECT split_part(holder, ':', 2)::int FROM outbox.leader").fetchone()[0]
    first = next(dispatcher for dispatcher in dispatchers if dispatcher.process.pid == elected)
    first.signal(signal.SIGKILL)
    second = next(dispatcher for dispatcher in dispatchers if dispatcher is not first)
    second.signal(signal.SIGTERM)
    assert await asyncio.to_thread(second.wait) == 0
    restarted = start()
    (third,) = (dispatcher for dispatcher in dispatchers if dispatcher not in {first, second})
    await until(lambda: third.logged("elected") or restarted.logged("elected"))
    await eventually_scraped(
        restarted, 'outbox_destination_state{destination="meta",state="halted"} 1.0', "outbox_dispatchers 2.0"
    )
    assert titles(inbox) == [ATTENTION]

    # The token is valid again.
    spine.faults("meta")
    await until(lambda: len({arrival.event_id for arrival in spine.arrivals("meta")}) == 20, seconds=60)
    await eventually_scraped(restarted, 'outbox_destination_state{destination="meta",state="running"} 1.0')
    assert titles(inbox) == [ATTENTION]  # not at once
    clock.move(seconds=61)
    await until(lambda: len(alerts(inbox)) > 1)
    assert titles(inbox) == [ATTENTION, ALL_CLEAR]
    assert alerts(inbox)[1][1].startswith("meta is no longer halted.")
    lines = [line for dispatcher in (*dispatchers, restarted) for line in list(dispatcher.lines)]
    assert not [line for line in lines if "hush-hush" in line]
    assert sum(f'"title": "{title}"' in line for line in lines for title in (ATTENTION, ALL_CLEAR)) == 2
