"""Metrics of several processes as those of one: what workers count is summed by their supervisor.

A worker sends its samples; the supervisor adds those of all workers, also of those that ended, so that no counter goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from prometheus_client import Metric
from prometheus_client.registry import Collector

OWN = frozenset({"process_start_time_seconds", "process_max_fds"})
"""Families that describe one process only; of these, the supervisor's own are reported."""

COUNTED = frozenset({"counter", "histogram"})
"""Kinds of families that only grow; the others describe a process as it is now."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One number of one process, with the family that it belongs to."""

    family: str
    kind: str
    help: str
    name: str
    labels: dict[str, str]
    value: float


def samples_of(collector: Any) -> list[Sample]:
    """Return all that a registry counts."""
    return [
        Sample(metric.name, metric.type, metric.documentation, sample.name, dict(sample.labels), float(sample.value))
        for metric in collector.collect()
        if metric.name not in OWN
        for sample in metric.samples
    ]


def lasting(processes: Iterable[Sequence[Sample]]) -> list[Sample]:
    """Return the sum of what ended processes counted, without what only a running one has, such as memory."""
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for each in (sample for samples in processes for sample in samples if sample.kind in COUNTED):
        key = each.name, tuple(each.labels.items())
        before = sums[key].value if key in sums else 0.0
        sums[key] = msgspec.structs.replace(each, value=before + each.value)
    return list(sums.values())


class Sum(Collector):
    """The samples of several processes, added up."""

    def __init__(self, processes: Iterable[Sequence[Sample]]) -> None:
        self._processes = processes

    def collect(self) -> Iterable[Metric]:
        """Yield each family once, with the sum of each of its series."""
        families: dict[str, Metric] = {}
        sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for samples in self._processes:
            for each in samples:
                families.setdefault(each.family, Metric(each.family, each.help, each.kind))
                series = sums.setdefault(each.family, {})
                key = each.name, tuple(each.labels.items())
                series[key] = series.get(key, 0.0) + each.value
        for name, family in families.items():
            for (sample, labels), value in sums[name].items():
                family.add_sample(sample, dict(labels), value)
            yield family
