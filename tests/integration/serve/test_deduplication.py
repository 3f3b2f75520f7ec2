"""Duplicate submissions are one conversion."""

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


async def test_submissions_without_e_mail_and_phone_are_distinguished_by_the_browser(site, log):
    for agent in ("one", "one", "two"):
        await site.post("trial-download", data={}, headers={"User-Agent": agent})
    assert len(log.events()) == 2


async def test_a_new_cookie_does_not_make_a_submission_different(site, log):
    await site.post("plain", data=LEAD, headers={"User-Agent": "one"})
    await site.post("plain", data=LEAD | {"fbp": "fb.1.1700000000000.123"}, headers={"User-Agent": "two"})
    assert len(log.events()) == 1


async def test_a_second_submission_with_consent_counts_as_another(site, log):
    lead = {"work-mail": "ada@example.com", "who": "Ada"}
    await site.post("strict", data=lead)
    await site.post("strict", data=lead | {"may-advertise": "on"})
    assert [consent["ad_user_data"] for consent in log.events("consent")] == ["denied", "granted"]


@pytest.mark.parametrize("shared", [{"fb_event_id": "shared"}, {}])
async def test_simultaneous_submissions_are_one_conversion(site, log, shared):
    answers = await asyncio.gather(*(site.post("plain", json=LEAD | shared) for _ in range(20)))
    assert {(status, answer["event_id"]) for status, _, answer in answers} == {(200, log.events()[0])}
    assert len(log.events()) == 1


async def test_two_processes_derive_the_same_id(shared_database_url, log, config):
    async with serving(shared_database_url, config) as one, serving(shared_database_url, config) as other:
        ids = {(await site.post("plain", json=LEAD))[2]["event_id"] for site in (one, other)}
    # A new window may begin between the two requests.
    assert len(ids) == len(log.events()) <= 2


def test_the_same_content_later_is_another_conversion():
    now = 1_000_000_000.0
    deduplicator = deduplication.Deduplicator("key", clock=lambda: now)
    first = deduplicator.event_id(["a", "b"])
    now += deduplication.WINDOW - 1  # even across the start of a window
    assert deduplicator.event_id(["a", "b"]) == first
    now += 2
    assert deduplicator.event_id(["a", "b"]) != first
    assert deduplicator.event_id(["ab", ""]) != deduplicator.event_id(["a", "b"])
    assert deduplication.Deduplicator("other key", clock=lambda: now).event_id(["a", "b"]) != deduplicator.event_id(
        ["a", "b"]
    )


def test_the_number_of_remembered_submissions_is_bounded(monkeypatch):
    monkeypatch.setattr(deduplication, "MAX_REMEMBERED", 100)
    deduplicator = deduplication.Deduplicator("key")
    for number in range(1000):
        deduplicator.event_id([str(number)])
    assert len(deduplicator._seen) == 100
