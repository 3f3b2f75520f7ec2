"""The metrics of a process: few labels, in families that Prometheus understands."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dispatcher.telemetry import prometheus


def samples():
    """Return all samples by name and labels."""
    text = generate_latest(prometheus.REGISTRY).decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def grown():
    """Return by how much a sample grew since the test began."""
    before = samples()
    return lambda name, **labels: (
        samples().get((name, *sorted(labels.items())), 0) - before.get((name, *sorted(labels.items())), 0)
    )


def test_a_settlement_counts_receipts_and_attempts_separately(grown):
    prometheus.settled(
        "meta",
        {
            ("delivered", ""): 7,
            ("failed", "missing value"): 2,
            ("skipped", "consent"): 1,
            ("transient", "server error"): 3,
            ("uncertain", "timeout"): 4,
            ("returned", ""): 100,
        },
        0.02,
    )
    assert grown("outbox_receipts_total", destination="meta", outcome="delivered", reason="") == 7
    assert grown("outbox_receipts_total", destination="meta", outcome="failed", reason="missing value") == 2
    assert grown("outbox_receipts_total", destination="meta", outcome="skipped", reason="consent") == 1
    assert grown("outbox_attempts_total", destination="meta", outcome="transient") == 3
    assert grown("outbox_attempts_total", destination="meta", outcome="uncertain") == 4
    assert grown("outbox_settle_seconds_count", destination="meta") == 1
    assert not [key for key in samples() if ("outcome", "returned") in key]


def test_a_request_counts_by_its_outcome_size_and_time(grown):
    prometheus.requested("meta", 1000, "delivered", 0.3)
    prometheus.requested("meta", 1, "halted", 0.01)
    assert grown("outbox_requests_total", destination="meta", outcome="delivered") == 1
    assert grown("outbox_requests_total", destination="meta", outcome="halted") == 1
    assert grown("outbox_batch_events_sum", destination="meta") == 1001
    assert grown("outbox_batch_events_bucket", destination="meta", le="1.0") == 1
    assert grown("outbox_send_seconds_bucket", destination="meta", le="0.5") == 2


def test_many_waits_at_once_are_the_same_as_one_by_one(grown):
    waits = [0.05, 0.1, 0.3, 7.0, 700_000.0]
    prometheus.waited("ga4", waits)
    prometheus.waited("ga4", [0.1])
    prometheus.waited("ga4", [])
    expected = {"0.1": 3, "0.25": 3, "0.5": 4, "5.0": 4, "10.0": 5, "604800.0": 5, "+Inf": 6}
    name = "outbox_delivered_latency_seconds"
    for bound, count in expected.items():
        assert grown(f"{name}_bucket", destination="ga4", le=bound) == count, bound
    assert grown(f"{name}_count", destination="ga4") == 6
    assert grown(f"{name}_sum", destination="ga4") == pytest.approx(sum(waits) + 0.1)


def test_intake_counts_events_and_batches(grown):
    prometheus.took_in(1000, 0.1)
    assert grown("outbox_intake_events_total") == 1000
    assert grown("outbox_intake_seconds_count") == 1


def test_unbounded_reasons_do_not_become_a_series_each(monkeypatch, grown):
    monkeypatch.setattr(prometheus, "_reasons", set())
    for number in range(1000):
        prometheus.settled("meta", {("failed", f"surprise {number}"): 1}, 0.01)
    assert len([key for key in samples() if key[0] == "outbox_receipts_total" and "surprise" in str(key)]) == 60
    assert grown("outbox_receipts_total", destination="meta", outcome="failed", reason=prometheus.OTHER) == 940


def test_the_process_itself_is_measured():
    assert ("process_resident_memory_bytes",) in samples()
