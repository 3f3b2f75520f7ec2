"""Alerts: one message when something goes wrong, and one more when it is over.

                 holds                       sent, by one dispatcher              no longer holds
    (nothing) ─────────▶ raised, due ────────────────────────────────▶ raised ─────────────────────▶ passed, due
        ▲                     │ no longer holds: nothing is sent         ▲                              │      │
        │◀────────────────────┘                                          └──────── holds again ─────────┘      │
        └──────────────────────────────────── all clear sent ──────────────────────────────────────────────────┘

A row of the table `alert` holds this state, so restarts and elections change nothing. A message that could not be sent is
retried a minute later. If a dispatcher dies between sending a message and recording that, it is sent twice: better than
never.

| file | holds |
|---|---|
| `conditions` | which alerts there are, when they hold, and their texts; pure |
| `watch` | compares the alerts that hold with those in the table, and sends what is due |
| `notify` | sends a text to Telegram, Slack, mail, … through apprise |
"""

from __future__ import annotations

from dispatcher.monitoring.alerts.conditions import KINDS, QueueHealth, holding
from dispatcher.monitoring.alerts.notify import Notifier
from dispatcher.monitoring.alerts.watch import MESSAGE, Watch

__all__ = ["KINDS", "MESSAGE", "Notifier", "QueueHealth", "Watch", "holding"]
