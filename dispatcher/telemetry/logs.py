"""Logs to standard error: readable on a terminal, JSON elsewhere. One line for each thing that an operator wants to know.

    info       start, stop, recovery, and what the scheduled jobs did
    warning    may need attention: a destination fails or is throttled, the database is unavailable, a lease was lost
    error      needs attention: a destination halted, or a bug

At info and above nothing is logged for each event, except the line of `outbox serve` for each request. Errors are logged
by type only: their text, and that of a traceback, may quote a person's data or a secret.
"""

from __future__ import annotations

import logging
import sys

import structlog

SILENCED = ("aiohttp", "apprise", "apscheduler", "psycopg", "requests", "urllib3")
"""Libraries that log what they handle, such as addresses with secrets in them; the dispatcher logs their failures itself."""


def configure(*, level: int = logging.INFO) -> None:
    """Set up structlog for the process."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)
