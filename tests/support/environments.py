"""Both distributions as they are published, and virtual environments with nothing in them but what a test installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "outbox", "dispatcher", "schema", "migrations")
UV = Path(sys.executable).with_name("uv")
"""Installs what pip would, in an eighth of the CPU time."""

GENERATED = ("__pycache__", "*.egg-info", "build")


def attempt(*command: str | Path, feed: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with `feed` as its input; return its exit code, output and errors."""
    words = [str(word) for word in command]
    return subprocess.run(words, input=feed, capture_output=True, text=True, check=False, **options)


def run(*command: str | Path, feed: str = "", **options: Any) -> str:
    """Run a command to its end; return what it printed, or fail with everything it said."""
    done = attempt(*command, feed=feed, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(folder: Path) -> Path:
    """Build the sdist of each distribution, and from it its wheel; return the folder that they are in."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns(*GENERATED))
        else:
            shutil.copyfile(ROOT / name, checkout / name)
    for project in (checkout / "outbox", checkout):
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", project)
    return folder / "dist"


def newest_python() -> str:
    """Return the newest Python of this machine, if only the one that runs the tests."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {sys.version_info[:2]: sys.executable}
    for path in (
        *pyenv.glob("versions/3.*/bin/python3"),
        *(shutil.which(f"python3.{minor}") for minor in (12, 13, 14)),
    ):
        script = "import ensurepip, sys; print(*sys.version_info[:2])"
        asked = path and subprocess.run([path, "-c", script], capture_output=True, text=True, check=False)
        if asked and asked.returncode == 0:
            major, minor = map(int, asked.stdout.split())
            found[major, minor] = str(path)
    return found[max(version for version in found if version <= (3, 14))]


class Environment:
    """A virtual environment of `python` with `requirements` installed, and nothing else."""

    def __init__(self, folder: Path, *requirements: str | Path, python: str = sys.executable) -> None:
        self.python = folder / "bin" / "python"
        self.outbox = folder / "bin" / "outbox"
        run(UV, "venv", "--quiet", "--python", python, folder)
        run(UV, "pip", "install", "--quiet", "--python", self.python, *requirements)
        (self.packages,) = folder.glob("lib/python*/site-packages")
