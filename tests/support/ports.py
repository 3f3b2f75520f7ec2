"""Ports for servers that tests stop and restart."""

from __future__ import annotations

import random
import socket

_RANDOM = random.SystemRandom()  # unseeded, so that concurrent processes draw different ports


def settled_port() -> int:
    """Return a free port below those of outgoing connections, so that none takes it while its server is down."""
    while True:
        port = _RANDOM.randrange(20000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
