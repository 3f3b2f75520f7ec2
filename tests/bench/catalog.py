"""All measurements, in the order of the table."""

from __future__ import annotations

from tests.bench.measure import Measurement
from tests.bench.measurements import aged, bare, building, delay, ga4, identity, idle, intake, meta, record

MEASUREMENTS: tuple[Measurement, ...] = (
    bare.G2,
    intake.INTAKE,
    meta.DRAIN,
    meta.TOGETHER,
    meta.LATENCY,
    ga4.DRAIN,
    ga4.LATENCY,
    building.BUILD,
    building.SEAL,
    aged.SETTLED,
    aged.PENDING,
    aged.SNAPSHOT,
    record.SINGLE,
    record.BESIDE,
    record.BULK_RECORD,
    delay.DELAY,
    ga4.TWO,
    idle.IDLE,
    identity.RESOLVE,
    identity.FOLD,
)
