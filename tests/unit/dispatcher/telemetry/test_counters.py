"""What is counted, is counted in one place: for Prometheus and for the pages."""

from __future__ import annotations

import ast

from tests.support.paths import ROOT

COUNTS = {"requested", "settled", "ended", "waited", "took_in"}


def test_metrics_are_fed_by_the_counters_only():
    feeding = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "dispatcher").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "dispatcher.telemetry"
            and node.names[0].name == "prometheus"
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "dispatcher.telemetry.prometheus"
            and COUNTS.intersection(alias.name for alias in node.names)
        )
    }
    assert feeding == {"dispatcher/telemetry/counters.py"}
