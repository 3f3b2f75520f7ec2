"""Why the events of a person belong together, and why others that share a key do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.people.lookup import By, Selector, find_person
from dispatcher.people.ties import why_apart, why_together

BEGIN = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def record(spine):
    spine.connection.execute("UPDATE outbox.destination SET paused = true")

    def record(event_id, minute, **fields):
        at = (BEGIN + timedelta(minutes=minute)).isoformat()
        spine.record(**{"name": "lead_submitted", "event_id": event_id, "occurred_at": at} | fields)

    return record


async def explain(database, account):
    async with database.transaction(is_reading=True) as transaction:
        found = await find_person(transaction, Selector(By.ACCOUNT, account))
        names = {row.id: row.event_id for row in await transaction.run("read_events", {"ids": list(found.events)})}
        together = await why_together(transaction, found)
        apart = await why_apart(transaction, found)
    return {names[number]: why for number, why in together.items()}, [(each.shared, each.reason) for each in apart]


async def test_a_family_on_one_browser(spine, record, database):
    record("hers", 1, account_id="anna", handl_id="home", person={"email": "anna@example.com"})
    record("visit", 2, handl_id="home")
    record("form", 3, lead_id="7", person={"email": "anna@example.com"})
    record("his", 4, handl_id="home", person={"email": "bob@example.com"})
    record("public", 5, person={"email": "anna@example.com"}, public=True)
    await spine.drain()
    together, apart = await explain(database, "anna")
    assert together == {
        "hers": "carries the account",
        "visit": "the account signed in on its browser, and nobody else was seen there in between",
        "form": "its e-mail address was recorded with the account",
        "public": "a public form with the same e-mail address, phone number or lead",
    }
    assert apart == [("browser", "other e-mail address")]


async def test_a_sales_laptop_and_a_test_lead(spine, record, database):
    record("first", 1, account_id="a", handl_id="laptop")
    record("second", 2, account_id="b", handl_id="laptop")
    record("silent", 3, handl_id="laptop")
    for number in range(33):
        record(f"test {number}", 4, account_id="a" if number == 0 else None, lead_id="test", handl_id=f"h{number}")
    await spine.drain()
    _, apart = await explain(database, "a")
    assert sorted(apart) == [
        ("browser", "another account"),
        ("browser", "another account signed in here"),
        ("lead", "shared by more than 32 others"),
    ]
