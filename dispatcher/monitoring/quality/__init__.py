"""Match quality: how well what is sent identifies the persons behind the events.

    for quality in await qualities(database, since, until):     # days, UTC, both included
        quality.fields["em"], quality.events, quality.estimate, quality.advice
    scores = await meta_scores(settings)                         # Meta's own, if the token may read them

| file | holds |
|---|---|
| `weights` | the weight of each identifier in the estimate, its source, and what the estimate cannot show |
| `advice` | the one change that would help most |
| `coverage` | coverage by step, in total and by day, from the table `outbox.field_coverage` |
| `scores` | Meta's own Event Match Quality, from its Dataset Quality API |

`dispatcher.monitoring.report` combines them into the daily report.
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
