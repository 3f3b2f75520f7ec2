"""What a writer states of money is sent as stated, or left out with a note; a default only where nothing was stated."""

from __future__ import annotations

import pytest

import outbox
from dispatcher.config.default_forms import Form
from dispatcher.serve.field_mapping import understand

DEFAULT = (1.0, "EUR")
"""What the funnel configures for the step of this test."""
NOTHING = (None, None)

CASES = [
    ({}, DEFAULT),
    ({"value": "", "currency": ""}, DEFAULT),
    ({"value": 49.9, "currency": "USD"}, (49.9, "USD")),
    ({"value": 49.9}, (49.9, "EUR")),
    ({"value": "49,90"}, (49.9, "EUR")),
    ({"value": "1.490,00", "currency": "eur"}, (1490.0, "EUR")),
    ({"value": "€1490.00"}, (1490.0, "EUR")),
    ({"value": 100, "currency": "US$"}, (100, "USD")),
    ({"value": 500, "currency": "JPY"}, (500, "JPY")),
    ({"value": "1.234", "currency": "BHD"}, (1.234, "BHD")),
    ({"currency": "USD"}, (None, "USD")),  # the funnel's amount is in another currency
    ({"value": "1,490"}, NOTHING),
    ({"value": "about 50", "currency": "EUR"}, NOTHING),
    ({"value": 100, "currency": "XYZ"}, NOTHING),
    ({"value": 100, "currency": "$"}, NOTHING),
    ({"value": "€5", "currency": "USD"}, NOTHING),
]


@pytest.fixture
def defaults(spine):
    """A step with an amount of its own at both destinations."""
    spine.connection.execute("UPDATE outbox.step SET value = 1, currency = 'EUR' WHERE name = 'lead_submitted'")


def by_sql(spine, details):
    spine.record(name="lead_submitted", event_id="e", lead_id="1", details=details)


def by_python(spine, details):
    outbox.record(spine.connection, outbox.LeadSubmitted(event_id="e", lead_id="1", details=details))


def by_form(spine, details):
    form = Form(name="offer", fields={name: f"details.{name}" for name in ("value", "currency")})
    submission = understand(form, {name: [str(value)] for name, value in details.items()})
    outbox.record(spine.connection, outbox.LeadSubmitted(event_id="e", lead_id="1", details=submission.details))


def sent(spine):
    """The amount and currency that each destination was sent."""
    (meta,), (ga4,) = spine.arrivals("meta"), spine.arrivals("ga4")
    return {
        "meta": tuple(meta.event.get("custom_data", {}).get(name) for name in ("value", "currency")),
        "ga4": tuple(ga4.event["params"].get(name) for name in ("value", "currency")),
    }


@pytest.mark.usefixtures("defaults")
@pytest.mark.parametrize("write", [by_sql, by_python, by_form])
@pytest.mark.parametrize(("details", "expected"), CASES, ids=[str(details) for details, _ in CASES])
async def test_money_is_sent_as_stated_or_not_at_all(spine, write, details, expected):
    write(spine, details)
    assert await spine.drain() == 0
    assert sent(spine) == {"meta": expected, "ga4": expected}


@pytest.mark.parametrize("details", [details for details, expected in CASES if expected == NOTHING])
def test_what_cannot_be_read_is_noted_when_python_records_it(spine, details):
    by_python(spine, details)
    ((notes,),) = spine.connection.execute("SELECT notes FROM outbox.event").fetchall()
    assert notes in (["details.value: unusable value, left out"], ["details.currency: unusable currency, left out"])


async def test_a_purchase_with_an_amount_that_cannot_be_read_fails_and_says_what_is_missing(spine):
    spine.record(
        name="subscription_purchased", event_id="e", account_id="1", details={"value": "1,490", "currency": "EUR"}
    )
    assert await spine.drain() == 0
    assert spine.receipts() == dict.fromkeys((("e", "meta"), ("e", "ga4")), ("failed", "missing value"))
