"""Real `outbox` processes for the tests that need them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import wait_until

OUTBOX = Path(sys.executable).with_name("outbox")


class Dispatcher:
    """A running `outbox dispatch`, its log lines, and its health."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [OUTBOX, "dispatch", *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        self.lines.extend(self.process.stderr)
        self.process.stderr.close()

    def logged(self, text: str) -> int:
        """Return how many log lines contain `text`."""
        return sum(text in line for line in list(self.lines))

    def address(self) -> str:
        """Return the address of its health endpoints."""
        wait_until(lambda: self.logged("metrics are served"))
        line = next(line for line in self.lines if "metrics are served" in line)
        return json.loads(line)["address"]

    def health(self, path: str) -> tuple[int, dict]:
        """Return status and body of a health endpoint."""
        try:
            with urllib.request.urlopen(self.address() + path, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: one that no process can handle to the workers too, another to the supervisor."""
        if number in {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT}:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self, seconds: float = 25) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(seconds)
        self._reader.join()
        return code

    def kill(self) -> None:
        """Kill the process and its workers if they are still running."""
        self.signal(signal.SIGKILL)
        self.wait()


def children(process: int) -> list[int]:
    """Give the processes that a process has started and that are still there."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start `outbox` without waiting for it or reading its output."""
    return subprocess.Popen(
        [OUTBOX, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def run(environment: dict[str, str], *arguments: str, answer: str | None = None) -> tuple[int, str, str]:
    """Run `outbox` to its end; return exit code, output and errors. `answer` is typed on a terminal; None: no terminal."""
    command = [OUTBOX, *arguments]
    environment = {"PATH": os.environ["PATH"], **environment}
    if answer is None:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        output = b""
        with suppress(OSError):  # the other end was closed
            while read := os.read(ours, 4096):
                output += read
        os.close(ours)
        assert process.stderr
        return process.wait(), output.decode().replace("\r\n", "\n"), process.stderr.read().decode()
