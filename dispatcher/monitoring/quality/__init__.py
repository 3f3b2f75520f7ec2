"""Match quality: how well what is sent identifies the persons behind the events.

    for quality in await qualities(database, since, until):     # days, UTC, both included
        quality.fields["em"], quality.events, quality.estimate, quality.advice
    scores = await own_scores(settings, config, names)           # the destinations' own, where they report any

The identifiers, weights and advice of each kind are in its package (`dispatcher.destinations.match_quality`).

| file | holds |
|---|---|
| `coverage` | coverage by step, in total and by day, from the table `outbox.field_coverage` |
| `scores` | the destinations' own scores, and what the numbers can say |

`dispatcher.monitoring.report` combines them into the daily report.
"""

from __future__ import annotations

from dispatcher.monitoring.quality.coverage import Day, Quality, daily, of_kind, qualities
from dispatcher.monitoring.quality.scores import explanation, own_scores

__all__ = ["Day", "Quality", "daily", "explanation", "of_kind", "own_scores", "qualities"]
