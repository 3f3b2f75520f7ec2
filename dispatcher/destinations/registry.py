"""The kinds of destination."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.destinations.base import Destination, Limits
from dispatcher.destinations.ga4 import destination as ga4
from dispatcher.destinations.meta import destination as meta
from dispatcher.destinations.unconfigured import Unconfigured

KINDS: dict[str, Callable[..., Destination]] = {"meta": meta.Meta, "ga4": ga4.GA4}
LIMITS: dict[str, Limits] = {"meta": meta.LIMITS, "ga4": ga4.LIMITS}


def create(kind: str, name: str, settings: Settings, config: Config) -> Destination:
    """Return the destination `name` of `kind`, with the account configured for it."""
    account = config.account(name)
    if account is None or account.kind != kind:
        return Unconfigured(name, LIMITS[kind], is_retired=config.path is not None)
    secret = {} if account.secret_variable is None else {"variable": account.secret_variable}
    return KINDS[kind](account.apply(settings), name=name, **secret)
