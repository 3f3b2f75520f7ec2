"""`scripts/bench`: measures everything together with its comparisons; exits with 1 if a goal or a measurement failed."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import psycopg
from rich.console import Console

from tests.bench import results
from tests.bench.catalog import MEASUREMENTS
from tests.bench.measure import measure
from tests.bench.plan import FULL, QUICK, Plan
from tests.bench.table import table
from tests.bench.world import running


def main() -> int:
    """Parse the arguments, measure, and report."""
    arguments = _parser().parse_args()
    if arguments.list:
        for one in MEASUREMENTS:
            sys.stdout.write(f"{one.name:16} {one.says}\n")
        return 0
    measurements = {one.name: one for one in MEASUREMENTS}
    chosen = [name for names in arguments.only for name in names.split(",") if name]
    if unknown := set(chosen) - measurements.keys():
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; --list shows all measurements\n")
        return 2
    plan = _plan(arguments)
    with running(plan, _report) as world:
        with psycopg.connect(world.url) as connection:
            postgresql = connection.info.parameter_status("server_version") or ""
        measured = []
        for one in MEASUREMENTS:
            if not chosen or one.name in chosen:
                _report(f"{one.name}: {one.says}")
                measured.append(measure(one, world, _report))
    found = results.results(plan, measured, postgresql)
    path = arguments.json
    if path is None and not chosen and plan == FULL:
        path = results.KEPT / f"{found['commit']}.json"
    if path:
        results.keep(found, path)
    Console(width=None if sys.stdout.isatty() else 160).print(table(found))
    return 0 if results.passed(found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="less of everything: a few minutes instead of most of an hour"
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME,…", help="only these measurements")
    parser.add_argument("--rounds", type=int, help="number of rounds per side (5; quick: 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the numbers of events and jobs")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"file for the results (a whole run: {results.KEPT.name}/)"
    )
    parser.add_argument("--list", action="store_true", help="list the measurements and exit")
    return parser


def _plan(arguments: argparse.Namespace) -> Plan:
    plan = QUICK if arguments.quick else FULL
    if arguments.scale != 1:
        plan = plan.scaled(arguments.scale)
    return replace(plan, rounds=arguments.rounds) if arguments.rounds else plan


def _report(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


if __name__ == "__main__":
    sys.exit(main())
