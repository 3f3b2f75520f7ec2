"""Duplicate submits are one conversion."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.serve import deduplication
from tests.support.form_site import LEAD, serving


async def test_one_shared_id_is_one_conversion(site, log):
    for email in ("ada@example.com", "ada@example.com", "grace@example.com"):
        assert (await site.post("plain", data={"email": email, "fb_event_id": "shared"}))[0] == 204
    assert log.events() == ["shared"]


async def test_the_same_content_twice_is_one_conversion(site, log):
    answers = [(await site.post("plain", json=LEAD))[2] for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    for other in (LEAD | {"email": "grace@example.com"}, LEAD | {"company": "Other"}):
        await site.post("plain", json=other)
    await site.post("demo", json=LEAD)
    assert len(log.events()) == 4
    assert log.events()[0] == answers[0]["event_id"]


async def test_what_identifies_nobody_is_told_apart_by_the_browser(site, log):
    for agent in ("one", "one", "two"):
        await site.post("trial-download", data={}, headers={"User-Agent": agent})
    assert len(log.events()) == 2


async def test_a_browser_whose_cookie_came_in_between_is_still_the_same(site, log):
    await site.post("plain", data=LEAD, headers={"User-Agent": "one"})
    await site.post("plain", data=LEAD | {"fbp": "fb.1.1700000000000.123"}, headers={"User-Agent": "two"})
    assert len(log.events()) == 1


async def test_who_allows_it_the_second_time_is_taken_at_their_word(site, log):
    lead = {"work-mail": "ada@example.com", "who": "Ada"}
    await site.post("strict", data=lead)
    await site.post("strict", data=lead | {"may-advertise": "on"})
    assert [consent["ad_user_data"] for consent in log.events("consent")] == ["denied", "granted"]


@pytest.mark.parametrize("shared", [{"fb_event_id": "shared"}, {}])
async def test_presses_at_the_same_moment_are_one_conversion(site, log, shared):
    answers = await asyncio.gather(*(site.post("plain", json=LEAD | shared) for _ in range(20)))
    assert {(status, answer["event_id"]) for status, _, answer in answers} == {(200, log.events()[0])}
    assert len(log.events()) == 1


async def test_two_processes_give_a_repeat_the_same_id(shared_database_url, log, config):
    async with serving(shared_database_url, config) as one, serving(shared_database_url, config) as other:
        ids = {(await site.post("plain", json=LEAD))[2]["event_id"] for site in (one, other)}
    # Two windows may meet between the two requests.
    assert len(ids) == len(log.events()) <= 2


def test_the_same_content_later_is_another_conversion():
    now = 1_000_000_000.0
    known = deduplication.Deduplicator("key", clock=lambda: now)
    first = known.event_id(["a", "b"])
    now += deduplication.WINDOW - 1  # also over the beginning of a window
    assert known.event_id(["a", "b"]) == first
    now += 2
    assert known.event_id(["a", "b"]) != first
    assert known.event_id(["ab", ""]) != known.event_id(["a", "b"])
    assert deduplication.Deduplicator("other key", clock=lambda: now).event_id(["a", "b"]) != known.event_id(["a", "b"])


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(deduplication, "MOST", 100)
    known = deduplication.Deduplicator("key")
    for number in range(1000):
        known.event_id([str(number)])
    assert len(known._seen) == 100
