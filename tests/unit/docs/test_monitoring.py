"""The alert rules and the dashboard: they can be read, and ask for metrics that there are, by labels that these have."""

from __future__ import annotations

import json
import re

import promql_parser
import pytest
import yaml

from dispatcher.destinations.base import Outcome
from dispatcher.monitoring.alerts import KINDS
from dispatcher.monitoring.gauges import GAUGES, STATES
from dispatcher.telemetry.prometheus import RECEIPTS, REGISTRY
from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "operations"
RULES = yaml.safe_load((FOLDER / "monitoring" / "alerts.yml").read_text("utf-8"))
DASHBOARD = json.loads((FOLDER / "monitoring" / "grafana.json").read_text("utf-8"))
DURATION = re.compile(r"\d+(ms|[smhdwy])")
VALUES = {"state": {*STATES}, "outcome": {*RECEIPTS, *Outcome}, "kind": {*KINDS}}

ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
TARGETS = [(panel["title"], target) for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in ALERTS} | {
    f"{title} {target['refId']}": target["expr"].replace("$__rate_interval", "5m").replace("$__interval", "5m")
    for title, target in TARGETS
}


def series():
    """Return each series that is exposed, with its labels."""
    found = {name: set(gauge.labels) for name, gauge in GAUGES.items()}
    found["outbox_delivered_latency_seconds_bucket"] = {"destination", "le"}
    for metric, names in REGISTRY._collector_to_names.items():
        for name in names:
            found.setdefault(
                name, {*getattr(metric, "_labelnames", ()), *(("le",) if name.endswith("_bucket") else ())}
            )
    # A counter is exposed as its total, a histogram as its parts; when they were created is not exposed at all.
    bare = {name for name in found if {f"{name}_total", f"{name}_bucket"} & found.keys()}
    return {name: labels for name, labels in found.items() if name not in bare and not name.endswith("_created")}


SERIES = series()


def walk(node):
    """Return a parsed expression and all within it."""
    yield node
    for name in ("expr", "lhs", "rhs", "param"):
        if (child := getattr(node, name, None)) is not None:
            yield from walk(child)
    for child in getattr(node, "args", None) or ():
        yield from walk(child)
    if isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector


def selectors(expression):
    return [node for node in walk(promql_parser.parse(expression)) if isinstance(node, promql_parser.VectorSelector)]


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_an_expression_asks_for_what_there_is(title):
    found = selectors(EXPRESSIONS[title])
    assert found
    for selector in found:
        assert selector.name in SERIES, selector.name
        for matcher in selector.matchers.matchers:
            assert matcher.name in SERIES[selector.name], matcher.name
            if matcher.name in VALUES:
                assert set(matcher.value.split("|")) <= VALUES[matcher.name]


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_an_expression_groups_by_labels_that_what_it_asks_for_has(title):
    for node in walk(promql_parser.parse(EXPRESSIONS[title])):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            labels = set().union(*(SERIES[selector.name] for selector in selectors(node.expr.prettify())))
            assert set(node.modifier.labels) <= labels


def test_a_database_that_is_away_is_not_taken_for_dispatchers_that_are():
    absent = [
        selector.name
        for expression in EXPRESSIONS.values()
        for node in walk(promql_parser.parse(expression))
        if isinstance(node, promql_parser.Call) and node.func.name == "absent"
        for selector in selectors(node.prettify())
    ]
    assert absent == ["outbox_database_up"]  # all else is not told meanwhile


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_a_rule_has_the_form_that_prometheus_takes(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rule["alert"])
    assert DURATION.fullmatch(rule.get("for", "1m"))
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["summary"]


def test_each_rule_and_panel_stands_once():
    assert set(RULES) == {"groups"}
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("title, target", TARGETS, ids=lambda part: part if isinstance(part, str) else part["refId"])  # noqa: PT006
def test_a_legend_names_labels_that_remain(title, target):
    (label_sets,) = [
        [
            set(node.modifier.labels)
            for node in walk(promql_parser.parse(EXPRESSIONS[f"{title} {target['refId']}"]))
            if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None
        ]
    ]
    named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    assert named <= set().union(*label_sets)


def test_panels_do_not_overlap_and_fit_the_width():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_metric_of_ours_is_on_the_dashboard_or_in_a_rule_and_documented():
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", selector.name)
        for text in EXPRESSIONS.values()
        for selector in selectors(text)
    }
    told = {re.sub(r"_(bucket|sum|count)$", "", name) for name in SERIES if name.startswith("outbox_")}
    assert told <= shown
    documented = (FOLDER / "monitoring.md").read_text("utf-8")
    assert [name for name in sorted(told) if f"`{name}`" not in documented] == []
