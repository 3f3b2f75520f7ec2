"""Logs to standard error: readable on a terminal, JSON elsewhere. One line for each thing that an operator wants to know.

    info       start, stop, recovery, and what the scheduled jobs did
    warning    may need attention: a destination fails or is throttled, the database is unavailable, a lease was lost
    error      needs attention: a destination halted, or a bug

At info and above nothing is logged for each event, except the line of `outbox serve` for each request. Errors are logged
by type only: their text, and that of a traceback, may quote a person's data or a secret.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

import structlog

SILENCED = ("aiohttp", "apprise", "apscheduler", "psycopg", "requests", "urllib3")
"""Libraries that log what they handle, such as addresses with secrets in them; the dispatcher logs their failures itself."""


def configure(*, level: int = logging.INFO) -> None:
    """Set up structlog for the process."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Unfailing(sys.stderr)),
        cache_logger_on_first_use=True,
    )
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _Unfailing(io.StringIO):
    """A stream for log lines that never raises: what cannot be written is left out.

    The reader of a log may end, its disk may be full, and a program may be started without standard error. An error in logging
    an error would end the loop that handled it. Lines are written whole and past the stream's own buffer, because what is left
    in that buffer would be written again, and fail, at the end of the process.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self._text = ""
        self._descriptor: int | None = None
        with suppress(OSError, ValueError, AttributeError):  # a stream in memory has none
            self._descriptor = stream.fileno() if stream else None

    def write(self, text: str) -> int:
        """Keep a text until `flush`."""
        self._text += text
        return len(text)

    def flush(self) -> None:
        """Write what was kept."""
        text, self._text = self._text, ""
        if not text or self._stream is None:
            return
        with suppress(OSError, ValueError):
            if self._descriptor is None:
                self._stream.write(text)
            else:
                os.write(self._descriptor, text.encode("utf-8", "backslashreplace"))
