"""Match quality: how well what is sent identifies the persons that it is about.

    for quality in await qualities(database, since, until):     # days, UTC, both included
        quality.fields["em"], quality.events, quality.estimate, quality.advice
    scores = await meta_scores(settings)                         # Meta's own, where the token may read them

| file | holds |
|---|---|
| `weights` | what each identifier counts in the estimate, where that comes from, and how honest it is |
| `advice` | the one change that would help most |
| `tallies` | coverage per step, in all and by day, from the table `outbox.coverage` |
| `scores` | Meta's own EMQ, from its Dataset Quality API |
| `report` | the daily report as plain text |
"""

from __future__ import annotations

from dispatcher.monitoring.quality.advice import advise
from dispatcher.monitoring.quality.coverage import Day, Quality, daily, qualities
from dispatcher.monitoring.quality.scores import MetaScores, meta_scores
from dispatcher.monitoring.quality.weights import EXPLANATION, IDENTIFIERS, META, Identifier, estimate

__all__ = [
    "EXPLANATION",
    "IDENTIFIERS",
    "META",
    "Day",
    "Identifier",
    "MetaScores",
    "Quality",
    "advise",
    "daily",
    "estimate",
    "meta_scores",
    "qualities",
]
