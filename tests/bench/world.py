"""The environment of the measurements: a durable embedded PostgreSQL, the sink, and databases copied from templates."""

from __future__ import annotations

import http.client
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg

from dispatcher.database import embedded_postgres, migrations
from tests.bench import fill, processes
from tests.bench.plan import Plan
from tests.support.paths import ROOT

OPTIONS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",  # no checkpoint by size during a side, as its cost would belong to none of them
    "checkpoint_timeout": "30min",
    "max_connections": "120",
    "log_min_messages": "panic",
}
"""Changes to PostgreSQL's defaults. All settings that make a commit durable keep their default: on."""


class Sink:
    """The sink's process and a client for its queries."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Sink]:
        """Start the sink; it ends when its standard input closes."""
        command = [sys.executable, "-m", "tests.bench.sink"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            sink = cls(process.stdout.readline().strip())
            try:
                yield sink
            finally:
                sink._connection.close()
                assert process.stdin
                process.stdin.close()

    def ask(self, question: str, **query: Any) -> Any:
        """Query `/sink/{question}`."""
        self._connection.request("GET", f"/sink/{question}?{urlencode(query)}")
        return json.load(self._connection.getresponse())

    def begin(self, *, latency: float = 0, tracing: bool = False) -> None:
        """Reset the counts; respond after `latency` seconds from now on."""
        self.ask("begin", latency=latency, **({"tracing": 1} if tracing else {}))

    def events(self, destination: str) -> int:
        """Return how many events a destination has received."""
        return int(self.ask("progress")[destination][1])


class World:
    """The environment given to every measurement. Templates are created when first needed."""

    def __init__(
        self,
        plan: Plan,
        server: embedded_postgres.EmbeddedServer,
        sink: Sink,
        folder: Path,
        report: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self.sink = sink
        self.folder = folder
        self.report = report
        self._server = server
        self._numbers = itertools.count(1)
        self._made: set[str] = set()

    @property
    def url(self) -> str:
        """The address of the server's own database."""
        return self._server.url

    def address(self, name: str) -> str:
        """Return the address of a database."""
        return self.url.rsplit("/", 1)[0] + f"/{name}"

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Yield the address of a copy of a template, and drop the copy at the end."""
        name = f"bench_{next(self._numbers)}"
        self.copy(template, name)
        try:
            yield self.address(name)
        finally:
            self.drop(name)

    def copy(self, template: str, name: str) -> None:
        """Copy a database, and leave nothing for the next checkpoint to write."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
            connection.execute("CHECKPOINT")

    def drop(self, name: str) -> None:
        """Drop a database, closing its connections."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @property
    def migrated(self) -> str:
        """The name of a migrated, empty database; both destinations are paused."""
        return self.template("migrated", "template1", self._migrate)

    def recorded(self, events: int) -> str:
        """Return the name of a database with so many recorded events, their intake held (`fill.enqueue_intake`)."""
        return self.template(f"recorded_{events}", self.migrated, lambda url: fill.record(url, fill.events(events)))

    def after_intake(self, events: int) -> str:
        """Return the name of a database after intake: every event is pending for both destinations."""
        return self.template(
            f"after_intake_{events}", self.recorded(events), lambda url: processes.run_intake(self, url)
        )

    def template(self, name: str, source: str, make: Callable[[str], object]) -> str:
        """Return the name of a database that is made from a copy of `source` on first use."""
        if name not in self._made:
            self.report(f"  preparing a database: {name}")
            self.copy(source, name)
            make(self.address(name))
            with psycopg.connect(self.address(name), autocommit=True) as connection:
                # Once here instead of in each copy.
                connection.execute("VACUUM (FREEZE, ANALYZE)")
                connection.execute("CHECKPOINT")
            self._made.add(name)
        return name

    def _migrate(self, url: str) -> None:
        migrations.upgrade(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE outbox.destination SET paused = true")
            connection.execute("CREATE SCHEMA bench")


@contextmanager
def running(plan: Plan, report: Callable[[str], None] = lambda _: None) -> Iterator[World]:
    """Start PostgreSQL and the sink; stop them and remove everything at the end."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-bench-"))
    folder.chmod(0o755)
    home = folder / "postgres"
    home.mkdir(mode=0o755)
    server = embedded_postgres.EmbeddedServer(home, options=OPTIONS)
    try:
        server.start()
        with Sink.running() as sink:
            yield World(plan, server, sink, folder, report)
    finally:
        if server.is_running():
            server.stop("immediate")
        shutil.rmtree(folder)
