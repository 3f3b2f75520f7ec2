"""Fixtures of the fault tests: a PostgreSQL of their own that may be stopped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.database import embedded_postgres, migrations
from tests.support.ports import settled_port


@pytest.fixture
def own_server() -> Iterator[embedded_postgres.EmbeddedServer]:
    """A PostgreSQL server that this test may stop, with a fixed address."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-faults-"))
    folder.chmod(0o755)
    server = embedded_postgres.EmbeddedServer(folder, port=settled_port())
    server.start()
    migrations.upgrade(server.url)
    yield server
    if server.is_running():
        server.stop("immediate")
    shutil.rmtree(folder)
