"""The destinations' own scores of match quality, and what the numbers can and cannot say."""

from __future__ import annotations

from collections.abc import Collection

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from dispatcher.destinations.match_quality import OwnScores

TIMEOUT_SECONDS = 10.0


async def own_scores(
    settings: Settings, config: Config, names: Collection[str], *, seconds: float = TIMEOUT_SECONDS
) -> dict[str, OwnScores]:
    """Return the own scores of those destinations of `names` that report any; each is asked for at most `seconds`."""
    found: dict[str, OwnScores] = {}
    for account in config.accounts:
        if account.name in names:
            of_kind = registry.kinds()[account.kind]
            scores = await of_kind.own_scores(account.settings(settings), seconds=seconds)
            if scores is not None:
                found[account.name] = scores
    return found


def explanation(config: Config) -> str:
    """Return what the numbers of the configured kinds can and cannot say."""
    configured = {account.kind for account in config.accounts}
    kinds = registry.kinds().values()
    return " ".join(kind.quality.explanation for kind in kinds if kind.name in configured and kind.quality.explanation)
