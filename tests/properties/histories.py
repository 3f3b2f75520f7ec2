"""Random histories in which people, browsers and addresses collide, and stories of real life; the same seed tells the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.properties.enrichment_oracle import SIGNALS
from tests.properties.person_oracle import Event

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("Anna", "Bob", "Clara")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def history(seed: int, size: int = 12) -> list[Event]:
    """Return events of a few accounts, leads, browsers, e-mails and phones, in no order of time."""
    lot = Random(seed)
    crowded = lot.choice((0.25, 0.4, 0.6))
    return [_event(lot, number, crowded) for number in range(1, lot.randint(2, size) + 1)]


def _event(lot: Random, number: int, crowded: float) -> Event:
    hours = lot.choice(
        (lot.randint(0, 72), 24 * lot.randint(0, 200))
    )  # many within days; some beyond a click's 90 days
    visit: dict[str, Any] = {
        "fbp": _maybe(lot, 0.3, f"fbp.{number}"),
        "fbc": _maybe(lot, 0.3, f"fbc.{lot.randint(1, 4)}"),
        "agent_ip": _maybe(lot, 0.3, (f"agent {number}", f"192.0.2.{number}")),
        "url": _maybe(lot, 0.3, f"https://example.com/{number}"),
        "ga_client_id": _maybe(lot, 0.25, f"{number}.1"),
        "consent": _consent(lot),
    }
    if lot.random() < 0.2:
        handl = lot.choice("hij")
        return Event(id=number, occurred_at=at(hours), handl=handl, public=lot.random() < 0.3, **visit)
    public = lot.random() < 0.2
    return Event(
        id=number,
        occurred_at=at(hours),
        account=None if public else _maybe(lot, crowded, lot.choice("AB")),
        leads=_some(lot, crowded, "123", 1.05),
        handl=_maybe(lot, 0.6, lot.choice("hij")),
        emails=_some(lot, crowded, "uvwx", 1.2),
        phones=_some(lot, crowded, "pqr", 1.1),
        traits={name: f"{name} {number}" for name in ("first_name", "city") if lot.random() < 0.3},
        public=public,
        **visit,
    )


def _maybe(lot: Random, chance: float, value: Any) -> Any:
    return value if lot.random() < chance else None


def _some(lot: Random, chance: float, values: str, several: float) -> tuple[str, ...]:
    if lot.random() >= chance:
        return ()
    return tuple(lot.sample(values, 2 if lot.random() < several - 1 else 1))


def _consent(lot: Random) -> dict[str, str] | None:
    if lot.random() < 0.88:
        return None
    if lot.random() < 0.1:
        return {}
    chosen = SIGNALS if lot.random() < 0.6 else lot.sample(SIGNALS, lot.randint(1, 3))
    return dict.fromkeys(chosen, lot.choice(("granted", "denied", "denied")))


def trade_fair(visitors: int = 12) -> list[Event]:
    """Return what one tablet on a stand records: each visitor's form, with silent page views between, and later purchases."""
    tablet = "tablet"
    events = []
    for number in range(visitors):
        events.append(Event(id=3 * number + 1, occurred_at=at(number), handl=tablet, url="https://example.com/stand"))
        events.append(
            Event(
                id=3 * number + 2,
                occurred_at=at(number + 0.2),
                handl=tablet,
                leads=(f"{100 + number}",),
                emails=(f"visitor{number}@example.com",),
                phones=(f"+4930100{number}",) if number % 2 else (),
                traits={"first_name": f"Visitor {number}"} if number % 3 else {},
                fbp="fbp.tablet",
            )
        )
        events.append(
            Event(
                id=3 * number + 3,
                occurred_at=at(100 + number),
                account=f"fair-{number}",
                emails=(f"visitor{number}@example.com",),
            )
        )
    return events


def family() -> list[Event]:
    """Return Anna, who signs in on the family's browser, Bob, who fills in a form there, and Anna's renewal."""
    return [
        Event(id=1, occurred_at=at(1), account="anna", handl="home", emails=("anna@example.com",), phones=("+49301",)),
        Event(id=2, occurred_at=at(2), handl="home", url="https://example.com/prices"),
        Event(id=3, occurred_at=at(3), leads=("7",), handl="home", emails=("bob@example.com",), fbp="fbp.home"),
        Event(id=4, occurred_at=at(4), handl="home"),
        Event(id=5, occurred_at=at(720), account="anna", traits={"last_name": "Berg"}),
    ]


def office() -> list[Event]:
    """Return three customers of one office that share a switchboard's phone and `info@`, and a lead with only those."""
    phone, info = "+4930555", "info@office.example"
    customers = [
        Event(
            id=number,
            occurred_at=at(number),
            account=f"customer-{number}",
            leads=(f"{10 + number}",),
            handl=f"desk-{number}",
            emails=(f"person{number}@office.example", info),
            phones=(phone,),
            traits={"first_name": f"Person {number}"},
        )
        for number in (1, 2, 3)
    ]
    return [
        *customers,
        Event(id=4, occurred_at=at(4), leads=("20",), handl="desk-4", phones=(phone,)),
        Event(id=5, occurred_at=at(5), leads=("21",), emails=(info,)),
        Event(id=6, occurred_at=at(6), leads=("11",)),
    ]


def sales_laptop(customers: int = 5) -> list[Event]:
    """Return a sales representative who signs in as one customer after the other, then records a lead without contact."""
    signed_in = [
        Event(
            id=number,
            occurred_at=at(number),
            account=f"customer-{number}",
            handl="laptop",
            emails=(f"person{number}@example.com",) if number % 2 else (),
        )
        for number in range(1, customers + 1)
    ]
    return [
        *signed_in,
        Event(
            id=customers + 1, occurred_at=at(customers + 1), leads=("50",), handl="laptop", emails=("new@example.com",)
        ),
        Event(id=customers + 2, occurred_at=at(customers + 2), handl="laptop"),
        Event(id=customers + 3, occurred_at=at(customers + 3), leads=("51",), handl="laptop"),
    ]


def two_devices() -> list[Event]:
    """Return a click and a lead on a phone, the account and the payment on a desk, all with one e-mail."""
    email = "anna@example.com"
    return [
        Event(
            id=1,
            occurred_at=at(1),
            leads=("7",),
            handl="phone",
            emails=(email,),
            phones=("+49301",),
            fbc="fbc.ad",
            fbp="fbp.phone",
        ),
        Event(id=2, occurred_at=at(30), account="anna", handl="desk", emails=(email,), fbp="fbp.desk"),
        Event(id=3, occurred_at=at(31), account="anna", handl="desk"),
        Event(id=4, occurred_at=at(700), account="anna"),
    ]


def crowded_key(combinations: int = 33) -> list[Event]:
    """Return a test lead that stands beside ever other e-mails and browsers, and two events that have nothing but it."""
    events = [
        Event(id=n, occurred_at=at(n), leads=("test",), handl=f"b{n}", emails=(f"tester{n}@example.com",))
        for n in range(1, combinations + 1)
    ]
    last = combinations + 1
    return [
        *events,
        Event(id=last, occurred_at=at(last), leads=("test",), traits={"first_name": "One"}),
        Event(id=last + 1, occurred_at=at(last + 1), leads=("test",), traits={"city": "Two"}),
    ]


STORIES: dict[str, Callable[[], list[Event]]] = {
    "trade fair": trade_fair,
    "family": family,
    "office": office,
    "sales laptop": sales_laptop,
    "two devices": two_devices,
    "crowded key": crowded_key,
}
