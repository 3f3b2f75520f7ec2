"""The panel on each page: this browser's conversions, and their state at each destination.

A CRM that may only record cannot read this; the demo owns its database and reads the log and the receipts.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SHOWN = 20

_RECORDED = text("""
    SELECT event.id, event.name AS step, event.event_id, destination.name AS destination, receipt.outcome, receipt.reason
    FROM (
        SELECT id, name, event_id FROM outbox.event WHERE handl_id = :handl_id ORDER BY id DESC LIMIT :shown
    ) AS event
    CROSS JOIN outbox.destination
    LEFT JOIN outbox.receipt
        ON receipt.event_id = event.id AND receipt.destination = destination.id AND receipt.revision = 0
    ORDER BY event.id DESC, destination.id
""")

_LABELS = {
    None: ("pending", "on its way"),
    "delivered": ("delivered", "arrived"),
    "skipped": ("skipped", "skipped"),
    "failed": ("failed", "failed"),
}


class PanelState(msgspec.Struct, frozen=True):
    """The state of a conversion at one destination: `state` is the receipt's outcome, or `pending`."""

    destination: str
    state: str
    label: str
    reason: str


class Recorded(msgspec.Struct, frozen=True):
    """One conversion: its row, step and event id, and its state at each destination."""

    id: int
    step: str
    event_id: str
    states: list[PanelState]


async def recorded(session: AsyncSession, handl_id: str | None) -> list[Recorded]:
    """Return the conversions recorded for a browser, newest first."""
    found: dict[int, Recorded] = {}
    rows: Any = await session.execute(_RECORDED, {"handl_id": handl_id, "shown": SHOWN})
    for row in rows:
        one = found.setdefault(row.id, Recorded(row.id, row.step, row.event_id, []))
        one.states.append(PanelState(row.destination, *_LABELS[row.outcome], row.reason or ""))
    return list(found.values())
