"""The report of match quality over some days: coverage, estimate, own scores, and one suggestion for each step."""

from __future__ import annotations

import datetime as dt

import msgspec

from dispatcher.config import Config
from dispatcher.config.settings import Settings
from dispatcher.database.connections import Queries
from dispatcher.destinations import registry
from dispatcher.destinations.match_quality import OwnScores
from dispatcher.monitoring.quality import Quality, explanation, of_kind, own_scores, qualities


class ReportLine(msgspec.Struct, frozen=True):
    """One step at one destination. `before`: the estimate of the period before; `own_score`: the destination's own."""

    quality: Quality
    before: float | None
    own_score: float | None


class QualityReport(msgspec.Struct, frozen=True):
    """Days `since` to `until` (both included, UTC). `problems`: destination → why it gave no score."""

    since: dt.date
    until: dt.date
    lines: list[ReportLine]
    problems: dict[str, str]
    explanation: str


async def report(database: Queries, settings: Settings, config: Config, *, until: dt.date, days: int) -> QualityReport:
    """Return the report of the `days` up to `until`; each destination is asked once for its own scores."""
    since = until - dt.timedelta(days=days - 1)
    current = await qualities(database, since, until)
    earlier = await qualities(database, since - dt.timedelta(days=days), since - dt.timedelta(days=1))
    before = {(quality.destination, quality.step): quality.estimate for quality in earlier}
    scores = await own_scores(settings, config, {quality.destination for quality in current})
    return QualityReport(
        since,
        until,
        [
            ReportLine(
                quality,
                before.get((quality.destination, quality.step)),
                scores.get(quality.destination, OwnScores({})).scores.get(quality.event_name),
            )
            for quality in current
        ],
        {name: result.problem for name, result in scores.items() if result.problem},
        explanation(config),
    )


def as_text(result: QualityReport, *, explained: bool = True) -> str:
    """Return the report as plain lines, the first its title."""
    span = f"{result.since}" if result.since == result.until else f"{result.since} to {result.until}"
    lines = [f"Match quality, {span}"]
    if not result.lines:
        lines.append("Nothing was delivered.")
    for line in result.lines:
        quality = line.quality
        lines += ["", f"{quality.destination}: {event_label(quality)}, {score_text(line)}"]
        if covered := coverage(quality):
            lines.append("  " + ", ".join(f"{label} {share:.0%}" for label, share in covered))
        if quality.advice:
            lines.append(f"  Suggestion: {quality.advice}")
    lines += [f"\n{name}: no score from {owner(result, name)}: {problem}" for name, problem in result.problems.items()]
    if explained and result.lines:
        lines += ["", result.explanation]
    return "\n".join(lines)


def owner(result: QualityReport, destination: str) -> str:
    """Return the label of the kind of a destination in the report."""
    kind = next(line.quality.kind for line in result.lines if line.quality.destination == destination)
    return registry.kinds()[kind].label


def event_label(quality: Quality) -> str:
    """Return the event name at the destination, and the step where its name differs."""
    return quality.event_name if quality.event_name == quality.step else f"{quality.event_name} ({quality.step})"


def score_text(line: ReportLine) -> str:
    """Return the number of events and the scores, as text."""
    count = line.quality.events
    parts = [f"{count} event{'' if count == 1 else 's'}"]
    if line.quality.estimate is not None:
        parts.append(f"estimate {line.quality.estimate:.1f} of 10")
        if line.before is not None:
            parts.append(f"before {line.before:.1f}")
    if line.own_score is not None:
        parts.append(f"{registry.kinds()[line.quality.kind].label}'s own {line.own_score:.1f}")
    return ", ".join(parts)


def coverage(quality: Quality) -> list[tuple[str, float]]:
    """Return the label of each identifier and the share of events that carried it, without those that none carried."""
    if not quality.events:
        return []
    return [
        (identifier.label, min(quality.fields[identifier.field] / quality.events, 1.0))
        for identifier in of_kind(quality.kind).identifiers
        if quality.fields.get(identifier.field)
    ]
