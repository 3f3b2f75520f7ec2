"""`python -m tests.faults.poison_matrix`: each kind of harm at each stage; a normal run of the tests does each of both once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def main() -> int:
    """Run all; return pytest's exit code."""
    os.environ["POISON_MATRIX"] = "full"
    tests = str(Path(__file__).with_name("test_poison.py"))
    return int(pytest.main([tests, "-n", "0", "-v", "--durations", "0", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
