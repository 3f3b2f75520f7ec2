"""Which kinds of destination there are."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.destinations import Destination, Limits, ga4, meta
from schema.settings import Settings

KINDS: dict[str, Callable[..., Destination]] = {"meta": meta.Meta, "ga4": ga4.GA4}
LIMITS: dict[str, Limits] = {"meta": meta.LIMITS, "ga4": ga4.LIMITS}


def create(kind: str, name: str, settings: Settings) -> Destination:
    """Give the destination `name` of `kind`."""
    return KINDS[kind](settings, name=name)
