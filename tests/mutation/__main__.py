"""Change random lines of the core and of the SQL, one at a time, and print those that no test notices.

    scripts/mutate --count 40 --seed 7        some minutes; a survivor is a test to write or a line to delete

The tree is copied, so the checkout stays as it is. The exit code is the number of survivors, at most 100.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.mutation.operators import mutants
from tests.support.paths import ROOT

UNIT = "tests/unit/dispatcher/delivery"
QUEUE = ("tests/integration/delivery/test_queue.py", "tests/integration/delivery/test_races.py")
SPINE = (
    "tests/integration/delivery/test_lease_watch.py",
    "tests/integration/delivery/test_repeats.py",
    "tests/integration/delivery/test_windows.py",
)
TARGETS: tuple[tuple[str, Sequence[str]], ...] = (
    ("dispatcher/delivery/batch_settler.py", (UNIT, *QUEUE, *SPINE)),
    ("dispatcher/delivery/builder.py", (UNIT, *SPINE)),
    ("dispatcher/delivery/circuit_breaker.py", (UNIT,)),
    ("dispatcher/delivery/concurrency_limiter.py", (UNIT,)),
    ("dispatcher/delivery/eligibility.py", (UNIT, *SPINE)),
    ("dispatcher/delivery/lease_watch.py", (UNIT, *SPINE)),
    ("dispatcher/delivery/queue.py", (*QUEUE, *SPINE)),
    ("dispatcher/delivery/request_sender.py", (UNIT, *SPINE)),
    ("dispatcher/delivery/retry_policy.py", (UNIT,)),
    ("dispatcher/delivery/sender.py", (*SPINE, "tests/integration/delivery/test_outages.py")),
    ("dispatcher/delivery/settlements.py", (UNIT, *SPINE)),
    ("dispatcher/watermark.py", (*QUEUE, *SPINE)),
    ("schema/queries/delivery/*lease*.sql", (*QUEUE, *SPINE)),
    ("schema/queries/delivery/*deliveries.sql", (*QUEUE, *SPINE)),
    ("schema/queries/delivery/note_sends.sql", (*QUEUE, *SPINE)),
    ("schema/queries/delivery/requeue*.sql", (*QUEUE, *SPINE, "tests/integration/delivery/test_dead_letters.py")),
)
"""Files, and the tests that run them, the quickest first."""
TIMEOUT = 300
"""Seconds; a mutant that hangs the tests is noticed."""


class Mutant(NamedTuple):
    """One changed line, and the tests that should notice."""

    path: Path
    number: int
    line: str
    tests: Sequence[str]


def main() -> int:
    """Return the number of survivors."""
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="part of a path")
    arguments = parser.parse_args()
    found = [mutant for mutant in _all() if arguments.only in str(mutant.path)]
    chosen = random.Random(arguments.seed).sample(found, min(arguments.count, len(found)))
    _say(f"{len(chosen)} of {len(found)} mutants, seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="outbox-mutate-") as folder:
        tree = _copy(Path(folder))
        survivors = [mutant for mutant in chosen if not _is_noticed(tree, mutant)]
    _say(f"{len(survivors)} survived")
    return min(len(survivors), 100)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _all() -> list[Mutant]:
    return [
        Mutant(path.relative_to(ROOT), number, line, tests)
        for pattern, tests in TARGETS
        for path in sorted(ROOT.glob(pattern))
        for number, line in mutants(path.read_text(encoding="utf-8"), is_sql=path.suffix == ".sql")
    ]


def _copy(folder: Path) -> Path:
    """Return a copy of what git knows, with the environment of this checkout."""
    tree = folder / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    for name in (".venv", ".cache"):
        if (ROOT / name).exists():
            (tree / name).symlink_to(ROOT / name)
    return tree


def _is_noticed(tree: Path, mutant: Mutant) -> bool:
    path = tree / mutant.path
    before = path.read_text(encoding="utf-8")
    lines = before.splitlines()
    was, lines[mutant.number] = lines[mutant.number], mutant.line
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    began = time.monotonic()
    try:
        for test in mutant.tests:
            if _fails(tree, test):
                _say(f"noticed   {mutant.path}:{mutant.number + 1} by {test} in {time.monotonic() - began:.0f} s")
                return True
    finally:
        path.write_text(before, encoding="utf-8")
    _say(f"SURVIVED  {mutant.path}:{mutant.number + 1}\n    was  {was.strip()}\n    now  {mutant.line.strip()}")
    return False


def _fails(tree: Path, test: str) -> bool:
    command = [str(tree / ".venv/bin/python"), "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", test]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main())
