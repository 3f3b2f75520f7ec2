"""Logs: readable on a terminal, JSON elsewhere."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

PROGRAM = """
import logging, structlog
from dispatcher.telemetry import logs
logs.configure()
log = structlog.get_logger()
log.debug("too small a thing")
log.info("leases expired and were reclaimed", deliveries=3)
for name in ("aiohttp.access", "apprise", "apscheduler.executors", "psycopg.pool", "requests", "urllib3.connectionpool"):
    logging.getLogger(name).error("postgresql://user:hush-hush@host/")
"""


def test_elsewhere_each_line_is_json_with_time_and_level():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "leases expired and were reclaimed", "level": "info", "deliveries": 3}


def test_on_a_terminal_lines_are_readable():
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        assert process.wait() == 0
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert "leases expired and were reclaimed" in said
    assert '{"' not in said
    assert "\x1b[" in said  # colours
    assert "hush-hush" not in said
    assert "too small" not in said


def test_a_log_that_nobody_reads_stops_nothing():
    program = PROGRAM + "\nfor _ in range(1000):\n    log.error('x' * 100)\nprint('went on')"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=writer, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "went on\n")


def test_a_program_without_standard_error_runs():
    program = PROGRAM + "\nprint('went on')"
    without = 'import os, sys; os.close(2); os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])'
    done = subprocess.run([sys.executable, "-c", without, program], stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "went on\n")
