"""`python -m tests.faults.chaos`: one long run. It prints its tables, and exits with 1 if a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from tests.faults.chaos.plan import Plan
from tests.faults.chaos.promises import check
from tests.faults.chaos.run import chaos
from tests.faults.chaos.table import tables

SHOWN = 5


def main() -> int:
    """Parse the arguments, run, and report."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--dispatchers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=180)
    plan = Plan(**vars(parser.parse_args()), fsync=True)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # broken connections are intended here
    seen = asyncio.run(chaos(plan, _report))
    promises = check(seen)
    sys.stdout.write(tables(seen, promises) + "\n")
    broken = [promise for promise in promises if promise.broken]
    for promise in broken:
        _report("\n  ".join([f"BROKEN, {len(promise.broken)} times: {promise.says}", *promise.broken[:SHOWN]]))
    return 1 if broken else 0


def _report(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
