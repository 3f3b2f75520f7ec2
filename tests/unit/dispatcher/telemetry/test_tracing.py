"""Traces: with OpenTelemetry's SDK they arrive, without the API nothing happens."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dispatcher.telemetry import tracing


@pytest.fixture(scope="module")
def provider():
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    tracing.is_traced.cache_clear()  # earlier tests in this process may have filled the cache
    return provider


@pytest.fixture
def exported(provider):
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield exporter.get_finished_spans
    processor.shutdown()


def test_a_span_has_its_name_and_attributes_and_its_parent(exported):
    with tracing.span("send", destination="meta", events=1000) as current, tracing.span("settle"):
        current["outcome"] = "delivered"
        current["code"] = None
    settle, send = exported()
    assert (send.name, settle.name) == ("outbox.send", "outbox.settle")
    assert dict(send.attributes) == {"outbox.destination": "meta", "outbox.events": 1000, "outbox.outcome": "delivered"}
    assert settle.parent.span_id == send.context.span_id


def test_an_error_is_raised_and_only_its_type_recorded(exported):
    with pytest.raises(ValueError, match="ada"), tracing.span("send"):
        raise ValueError("ada@example.com")
    (span,) = exported()
    assert dict(span.attributes) == {"outbox.error": "ValueError"}
    assert "ada" not in span.to_json()


def test_without_the_api_nothing_happens():
    program = """
import sys
sys.modules["opentelemetry"] = None
from dispatcher.telemetry import tracing
with tracing.span("send", events=1) as current:
    current["outcome"] = "delivered"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
