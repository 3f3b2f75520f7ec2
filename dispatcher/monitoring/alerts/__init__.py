"""Alerts: somebody is told once when something is wrong, and once more when it is over.

                 holds                  told, by one of all dispatchers           no longer holds
    (nothing) ─────────▶ raised, due ────────────────────────────────▶ raised ─────────────────────▶ passed, due
        ▲                     │ no longer holds: nobody need know        ▲                              │      │
        │◀────────────────────┘                                          └──────── holds again ─────────┘      │
        └───────────────────────────────────── told that it is over ───────────────────────────────────────────┘

A row of the table `alert` is such a state, so restarts and elections change nothing. What could not be sent is sent
again a minute later. If a dispatcher dies between sending and noting it, it is told twice: better than never.

| file | holds |
|---|---|
| `conditions` | what there is to alert to, and in which words; pure |
| `watch` | compares what holds with what was told, and tells |
| `notify` | sends a text to Telegram, Slack, mail, … by apprise |
"""

from __future__ import annotations

from dispatcher.monitoring.alerts.conditions import KINDS, Fact, holding
from dispatcher.monitoring.alerts.notify import Notifier
from dispatcher.monitoring.alerts.watch import MESSAGE, Watch

__all__ = ["KINDS", "MESSAGE", "Fact", "Notifier", "Watch", "holding"]
