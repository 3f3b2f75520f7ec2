"""Distribution of the tests over the processors: pytest-xdist's hooks, for `tests/conftest.py`.

Each worker process has its own PostgreSQL server and runs whole files, so that the fixtures shared by a file's tests are
created once. Starting a worker takes some seconds, so a run of a few files, or of unit tests only, has none.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.paths import ROOT

TESTS = ROOT / "tests"
FILES_PER_WORKER = 5
"""The number of files, other than unit tests, for which another worker is worth its start."""

QUICKEST = ("unit", "bench", "migrations", "integration", "properties", "e2e", "faults")
"""Folders by the duration of their longest tests; workers begin with the last, and with those not named here.

Otherwise one worker would still run a minute of chaos when the others have finished.
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many workers `-n auto` means: none for a few files, or for a selection of tests."""
    options = config.option
    if options.keyword or options.markexpr or options.lf or options.capture == "no":
        return 0
    paths = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    files = {file for path in paths for file in (path.rglob("test_*.py") if path.is_dir() else (path,))}
    slow = [file for file in files if not file.is_relative_to(TESTS / "unit")]
    workers = min(len(os.sched_getaffinity(0)), len(slow) // FILES_PER_WORKER)
    return workers if workers > 1 else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests so that workers begin with the longest ones; without workers, keep the order."""
    if hasattr(config, "workerinput"):
        rank = {folder: number for number, folder in enumerate(reversed(QUICKEST))}
        items.sort(key=lambda item: rank.get(item.path.relative_to(TESTS).parts[0], -1))
