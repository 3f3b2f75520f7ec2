"""Sends a text to the configured addresses."""

from __future__ import annotations

import structlog.testing

from dispatcher.config.settings import Secret
from dispatcher.monitoring.alerts import Notifier

NOBODY = "json://user:hush-hush@127.0.0.1:9/"


async def test_it_arrives(inbox):
    assert await Notifier(Secret(inbox.url)).send("Title", "Text")
    assert inbox.mail == [("Title", "Text")]


async def test_every_address_gets_it(inbox):
    assert await Notifier(Secret(f"{inbox.url}a, {inbox.url}b")).send("Title", "Text")
    assert len(inbox.mail) == 2


async def test_a_failure_is_logged_by_kind_of_service_and_never_by_address(inbox):
    inbox.status = 500
    with structlog.testing.capture_logs() as lines:
        assert not await Notifier(Secret(f"{inbox.url} {NOBODY}")).send("Title", "Text")
    (line,) = lines
    assert (line["event"], line["services"], line["log_level"]) == (
        "an alert could not be sent",
        ["json", "json"],
        "error",
    )
    assert "hush" not in str(lines)
    assert "127.0.0.1" not in str(lines)


async def test_a_reachable_address_gets_it_once_though_another_is_unreachable(inbox):
    assert await Notifier(Secret(f"{NOBODY} {inbox.url}")).send("Title", "Text")
    assert len(inbox.mail) == 1


async def test_an_address_that_is_not_understood_is_named_by_its_number(inbox):
    with structlog.testing.capture_logs() as lines:
        assert await Notifier(Secret(f"nonsense://hush-hush {inbox.url}")).send("Title", "Text")
    assert [line["number"] for line in lines] == [1]
    assert "hush" not in str(lines)


async def test_without_an_address_the_log_is_enough():
    assert await Notifier(Secret()).send("Title", "Text")
