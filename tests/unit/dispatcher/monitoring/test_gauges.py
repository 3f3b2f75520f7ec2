"""How much is pending, from counts and estimates."""

from __future__ import annotations

from dispatcher.monitoring.gauges import MOST, pending

ROWS = {"delivery": 0.0, "intake": 0.0, "merge": 0.0}


def numbers(queued, leased=(), **rows):
    return {"queued": {"intake": 0.0, "merges": 0.0} | queued, "leased": dict(leased), "rows": ROWS | rows}


def test_what_was_counted_is_exact_whatever_the_planner_thinks():
    assert pending(numbers({"meta": 12.0, "ga4": 0.0}, {"ga4": 1000.0}, delivery=9e6)) == {
        "intake": 0,
        "merges": 0,
        "meta": 12,
        "ga4": 1000,
    }


def test_more_than_is_counted_is_what_the_table_holds_less_the_others():
    assert pending(numbers({"meta": float(MOST), "ga4": 5000.0}, delivery=1_000_000.0))["meta"] == 995_000
    shared = pending(numbers({"meta": float(MOST), "ga4": float(MOST), "dealers": 10.0}, delivery=1_000_010.0))
    assert (shared["meta"], shared["ga4"], shared["dealers"]) == (500_000, 500_000, 10)


def test_an_estimate_is_never_less_than_what_was_counted():
    assert pending(numbers({"meta": float(MOST)}, delivery=-1.0))["meta"] == MOST
    assert pending(numbers({"intake": float(MOST)}, intake=250_000.0))["intake"] == 250_000
    assert pending(numbers({"merges": float(MOST)}, merge=7.0))["merges"] == MOST
