"""`StandIn`: the sandbox's side of one kind of destination, the `STAND_IN` of the module that the kind names.

dispatcher/sandbox/<kind>/stand_in.py     STAND_IN
dispatcher/sandbox/<kind>/…               its rules and endpoints, written from the destination's pages alone
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Literal

import msgspec
from aiohttp import web

from dispatcher.destinations import registry
from dispatcher.destinations.kind import DestinationKind
from dispatcher.sandbox.faults import COMMON, Fault
from dispatcher.sandbox.ledger import Arrival

__all__ = ["CardField", "Proof", "Shown", "StandIn", "stand_ins"]


class CardField(msgspec.Struct, frozen=True):
    """One line of a card: `detail` is the shortened value, or the problem with it."""

    label: str
    key: str
    state: Literal["present", "missing", "invalid"]
    detail: str


class Shown(msgspec.Struct, frozen=True):
    """How an arrival is shown: groups of fields, and a score between 0 and 1 with its text and label, if there is one."""

    groups: list[tuple[str, list[CardField]]] = []
    score: float | None = None
    score_text: str = ""
    score_label: str = ""


class Proof(msgspec.Struct, frozen=True):
    """What the proof of the demo says of a destination.

    `columns`: field → the heading of its column. `person`: what the arrivals of one conversion hold under these fields.
    `score`: a heading and a number for it. `legend`: lines that explain the headings. `allowed`: the verdicts that are no
    problem.
    """

    columns: Mapping[str, str]
    person: Callable[[Sequence[Arrival]], dict[str, Any]]
    score: tuple[str, Callable[[dict[str, Any]], float]] | None = None
    legend: tuple[str, ...] = ()
    allowed: frozenset[str] = frozenset({"counted"})


class StandIn(ABC):
    """One kind of destination, as the sandbox plays it.

    `title`: the name of what is stood in for. `refused`: the word for events that break a rule; `verdict`: the same on a card.
    `no_events`: the title of a request whose events were not examined. `nested`: the objects of a payload whose fields are
    shown one by one. `faults`: those that can be triggered on demand.
    """

    kind: ClassVar[DestinationKind[Any]]
    title: ClassVar[str]
    refused: ClassVar[str] = "refused"
    verdict: ClassVar[str] = "Refused"
    no_events: ClassVar[str] = "Request refused"
    nested: ClassVar[frozenset[str]] = frozenset()
    faults: ClassVar[Mapping[str, Fault]] = COMMON
    proof: ClassVar[Proof | None] = None

    @property
    def name(self) -> str:
        """The name of the kind."""
        return self.kind.name

    @abstractmethod
    def add_routes(self, app: web.Application) -> None:
        """Add its paths."""

    def show(self, arrival: Arrival, event: dict[str, Any], shared: dict[str, Any], invalid: dict[str, str]) -> Shown:  # noqa: ARG002
        """Return how an arrival is shown; `invalid`: place → what is wrong with it."""
        return Shown()

    def environment(self, address: str, secret: str) -> dict[str, str]:
        """Return the variables that point a dispatcher to the sandbox at `address`."""
        kind = self.kind
        return {kind.variable(kind.base_url): address, kind.variable(kind.secret): secret}


@cache
def stand_ins() -> Mapping[str, StandIn]:
    """Return the stand-in for each kind that has one, by its name."""
    return {name: import_module(kind.sandbox).STAND_IN for name, kind in registry.kinds().items() if kind.sandbox}
