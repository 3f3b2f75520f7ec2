"""Logs: readable on a terminal, JSON elsewhere; to standard error. One line per thing an operator would want to know.

    info       it starts, stops, changes for the better; what a schedule did
    warning    somebody may want to look: a destination fails or is throttled, the database is away, a lease was lost
    error      somebody should look: a destination halted, a mistake of ours

Nothing is logged for each event at info or above, but `outbox serve`'s line for each request. Errors are told by their
kind: their text, and a traceback's, may quote a person's data or a secret.
"""

from __future__ import annotations

import logging
import sys

import structlog

TOO_TALKATIVE = ("aiohttp", "apprise", "apscheduler", "psycopg", "requests", "urllib3")
"""They log what they meet, addresses and what is in them included; what we want to tell is told by us."""


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
    for name in TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
