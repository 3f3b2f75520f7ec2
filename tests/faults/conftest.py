"""Fixtures of the fault tests: real processes, and a PostgreSQL of their own that may be stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from schema import embedded
from tests.support import wait_until

OUTBOX = Path(sys.executable).with_name("outbox")


class Dispatcher:
    """A running `outbox dispatch`, its log lines, and its health."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [OUTBOX, "dispatch", *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        self.lines.extend(self.process.stderr)
        self.process.stderr.close()

    def said(self, text: str) -> int:
        """How many log lines hold `text`."""
        return sum(text in line for line in list(self.lines))

    def health(self, path: str) -> tuple[int, dict]:
        """Status and body of a health endpoint."""
        wait_until(lambda: self.said("health is served"))
        line = next(line for line in self.lines if "health is served" in line)
        try:
            with urllib.request.urlopen(json.loads(line)["address"] + path, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 25) -> int:
        """Wait for the end; give the exit code."""
        code = self.process.wait(seconds)
        self._reader.join()
        return code

    def kill(self) -> None:
        """End it if it is still there."""
        self.process.kill()
        self.wait()


@pytest.fixture
def dispatch(settings) -> Iterator:
    """Start `outbox dispatch` against a database."""
    started: list[Dispatcher] = []

    def start(database_url: str, *arguments: str, **environment: str) -> Dispatcher:
        dispatcher = Dispatcher(
            {
                "OUTBOX_DATABASE_URL": database_url,
                "META_CAPI_TOKEN": "test-token",
                "META_CAPI_BASE_URL": settings.meta_base_url,
                "GA4_API_SECRET": "test-secret",
                "GA4_MP_BASE_URL": settings.ga4_base_url,
                "OUTBOX_LEASE_SECONDS": "5",
                **environment,
            },
            *arguments,
        )
        started.append(dispatcher)
        return dispatcher

    yield start
    for dispatcher in started:
        dispatcher.kill()


@pytest.fixture
def own_server() -> Iterator[embedded.Server]:
    """A PostgreSQL server that this test may stop, at an address that stays."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-faults-"))
    folder.chmod(0o755)
    server = embedded.Server(folder, port=embedded.free_port())
    server.start()
    migrations.upgrade(server.url)
    yield server
    if server.is_running():
        server.stop("immediate")
    shutil.rmtree(folder)
