"""Both distributions as published, and virtual environments that contain only what a test installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "outbox", "dispatcher", "schema", "migrations")
GENERATED = ("__pycache__", "*.egg-info", "build")


def attempt(*command: str | Path, feed: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with `feed` as its input; return its exit code, output and errors."""
    arguments = [str(argument) for argument in command]
    return subprocess.run(arguments, input=feed, capture_output=True, text=True, check=False, **options)


def run(*command: str | Path, feed: str = "", **options: Any) -> str:
    """Run a command to its end; return its output, or fail with all of its output and errors."""
    done = attempt(*command, feed=feed, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(folder: Path) -> Path:
    """Build the sdist of each distribution, and from it its wheel; return their folder."""
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
    """Return the newest supported Python of this machine; at least the one that runs the tests."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {sys.version_info[:2]: sys.executable}
    for path in (
        *pyenv.glob("versions/3.*/bin/python3"),
        *(shutil.which(f"python3.{minor}") for minor in (12, 13, 14)),
    ):
        script = "import ensurepip, sys; print(*sys.version_info[:2])"
        done = path and subprocess.run([path, "-c", script], capture_output=True, text=True, check=False)
        if done and done.returncode == 0:
            major, minor = map(int, done.stdout.split())
            found[major, minor] = str(path)
    return found[max(version for version in found if version <= (3, 14))]


class Environment:
    """A virtual environment of `python` with `requirements` installed, and nothing else."""

    def __init__(self, folder: Path, *requirements: str | Path, python: str = sys.executable) -> None:
        self.python = folder / "bin" / "python"
        self.outbox = folder / "bin" / "outbox"
        run(python, "-m", "venv", "--without-pip", folder)
        # The pip of the tests' own environment: it knows the index and the certificates that this machine uses.
        run(sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-compile", *requirements)
        (self.packages,) = folder.glob("lib/python*/site-packages")
