"""The metrics of several processes are those of one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.telemetry import prometheus
from dispatcher.telemetry.aggregation import Sum, lasting, samples_of


def process(counted=0, seconds=(), memory=0):
    """The samples of a process that counted, waited and holds memory."""
    registry = CollectorRegistry()
    Counter("things", "Things", ["destination"], registry=registry).labels("meta").inc(counted)
    waits = Histogram("wait_seconds", "Waits", registry=registry, buckets=(1, 5))
    for each in seconds:
        waits.observe(each)
    Gauge("memory_bytes", "Memory", registry=registry).set(memory)
    return samples_of(registry)


def values(processes):
    """Value by name and labels, as a scraper reads them."""
    registry = CollectorRegistry()
    registry.register(Sum(processes))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_counters_histograms_and_gauges_of_all_processes_are_added_up():
    assert values([process(3, [0.5, 2], memory=10), process(4, [0.1, 9], memory=20)]) == {
        ("things_total", "meta"): 7,
        ("wait_seconds_bucket", "1.0"): 2,
        ("wait_seconds_bucket", "5.0"): 3,
        ("wait_seconds_bucket", "+Inf"): 4,
        ("wait_seconds_count",): 4,
        ("wait_seconds_sum",): 11.6,
        ("memory_bytes",): 30,
    }


def test_each_family_is_given_once_however_many_processes_have_it():
    families = list(Sum([process(1), process(1), process(1)]).collect())
    assert sorted(family.name for family in families) == ["memory_bytes", "things", "wait_seconds"]


def test_what_an_ended_process_counted_stays_and_the_memory_that_it_held_does_not():
    ended = lasting([process(3, [2], memory=10)])
    ended = lasting([ended, process(4, [2], memory=20)])
    assert len(ended) == len(lasting([process()]))  # however many have ended
    after = values([ended, process(1, memory=5)])
    assert after["things_total", "meta"] == 8
    assert after["wait_seconds_count",] == 2
    assert after["memory_bytes",] == 5


def test_when_a_process_started_and_how_many_files_it_may_open_is_not_added_up():
    names = {sample.name for sample in samples_of(prometheus.REGISTRY)}
    assert "process_cpu_seconds_total" in names
    assert names.isdisjoint({"process_start_time_seconds", "process_max_fds"})
