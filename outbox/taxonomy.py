"""The funnel: its steps, and what holds for each wherever it is sent.

`dispatcher` adds the name of each step at each destination (`routes` of a kind). It seeds the tables `outbox.step` and
`outbox.route`; another company's funnel replaces it by configuration, not by code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The name of one step at one destination, with the parameters that are always sent with it."""

    event_name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One funnel step.

    `parameters` are sent with it everywhere. `targets` maps a destination's name to its target; a destination that is not
    in it gets nothing (`skipped: no route`). `action_source` fixes the action_source where the step decides it.
    `browser_pair` means that the browser sends the same event (same event_name and event_id). `value` and `currency` are
    the defaults where the event has none.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    action_source: str | None = None
    browser_pair: bool = False
    value: float | None = None
    currency: str | None = None


FUNNEL: tuple[Step, ...] = (
    Step(name="lead_submitted", value=0, currency="EUR"),
    Step(name="trial_downloaded", parameters={"content_category": "trial-download"}, value=0, currency="EUR"),
    Step(name="account_created"),
    Step(name="trial_started"),
    Step(name="subscription_purchased"),
    Step(name="subscription_renewed", action_source="system_generated"),
    Step(name="subscription_upgraded"),
    Step(name="subscription_refunded"),
    Step(name="demo_requested", parameters={"content_category": "conference"}, value=0, currency="EUR"),
    Step(name="email_verified"),
    Step(name="signed_in"),  # ties a browser to an account; sent to no destination
)
