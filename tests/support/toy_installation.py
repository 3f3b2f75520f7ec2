"""A virtual environment in which this repository and the toy kind of destination are installed, and `outbox` in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.environments import run
from tests.support.paths import ROOT

SOURCE = ROOT / "tests" / "support" / "toy_kind"
COMMAND = "from conversion_outbox_dispatcher import main; main()"


class Installation:
    """The environment. It sees what the tests' own environment has, without a copy of it."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin" / "python"
        run(sys.executable, "-m", "venv", "--without-pip", folder)
        (packages,) = folder.glob("lib/python*/site-packages")
        own = sysconfig.get_path("purelib")
        (packages / "tests_environment.pth").write_text(f"import site; site.addsitedir({own!r})\n", "utf-8")
        # A copy, since building leaves files beside the source.
        source = folder / "source"
        source.mkdir()
        for path in (SOURCE / "pyproject.toml", *SOURCE.glob("toy_kind/*.py")):
            target = source / path.relative_to(SOURCE)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        run(*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", source)

    def outbox(self, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `outbox` to its end."""
        return subprocess.run(
            [self.python, "-c", COMMAND, *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str, cwd: Path, **environment: str) -> Any:
        """Return what `outbox … --json` prints."""
        done = self.outbox(*arguments, "--json", cwd=cwd, **environment)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *arguments: str, cwd: Path, **environment: str):
        """Run `outbox` while the block lasts; yield the lines that it writes, as they come."""
        process = subprocess.Popen(
            [self.python, "-u", "-c", COMMAND, *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines: list[str] = []
        assert process.stdout
        reader = threading.Thread(target=lines.extend, args=(process.stdout,))
        reader.start()
        try:
            yield lines
        finally:
            process.terminate()
            process.wait(30)
            reader.join()
            process.stdout.close()
