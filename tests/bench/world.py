"""Where measurements take place: a durable embedded PostgreSQL, the sink, and databases that are copied from templates."""

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
    "max_wal_size": "8GB",  # no checkpoint by size within a side; what one costs is nobody's own
    "checkpoint_timeout": "30min",
    "max_connections": "120",
    "log_min_messages": "panic",
}
"""What differs from PostgreSQL's defaults. Everything that makes a commit durable is as it comes: on."""


class Sink:
    """The sink's process, and what it tells."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Sink]:
        """Start it; it ends when its standard input closes."""
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
        """Ask `/sink/{question}`."""
        self._connection.request("GET", f"/sink/{question}?{urlencode(query)}")
        return json.load(self._connection.getresponse())

    def begin(self, *, latency: float = 0, tracing: bool = False) -> None:
        """Forget what was taken; answer after `latency` seconds from now on."""
        self.ask("begin", latency=latency, **({"tracing": 1} if tracing else {}))

    def events(self, destination: str) -> int:
        """How many events a destination has taken."""
        return int(self.ask("progress")[destination][1])


class World:
    """What every measurement is given. Templates are made when they are first asked for."""

    def __init__(
        self, plan: Plan, server: embedded_postgres.Server, sink: Sink, folder: Path, say: Callable[[str], None]
    ) -> None:
        self.plan = plan
        self.sink = sink
        self.folder = folder
        self.say = say
        self._server = server
        self._numbers = itertools.count(1)
        self._made: set[str] = set()

    @property
    def url(self) -> str:
        """The address of the server's own database."""
        return self._server.url

    def address(self, name: str) -> str:
        """The address of a database."""
        return self.url.rsplit("/", 1)[0] + f"/{name}"

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Return the address of a copy of a template; it goes afterwards."""
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
        """Drop a database, whoever is connected."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @property
    def migrated(self) -> str:
        """A database with our schema and nothing in it; both destinations are paused."""
        return self.template("migrated", "template1", self._migrate)

    def recorded(self, events: int) -> str:
        """The same with so many events recorded, and what they owe intake put aside (`fill.owe_intake`)."""
        return self.template(f"recorded_{events}", self.migrated, lambda url: fill.record(url, fill.events(events)))

    def taken_in(self, events: int) -> str:
        """The same after intake: every event is owed to both destinations."""
        return self.template(f"taken_in_{events}", self.recorded(events), lambda url: processes.take_in(self, url))

    def template(self, name: str, source: str, make: Callable[[str], object]) -> str:
        """Return the name of a database that is made of a copy of `source` once, when it is first asked for."""
        if name not in self._made:
            self.say(f"  preparing a database: {name}")
            self.copy(source, name)
            make(self.address(name))
            with psycopg.connect(self.address(name), autocommit=True) as connection:
                # So that no copy of it has to.
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
def running(plan: Plan, say: Callable[[str], None] = lambda _: None) -> Iterator[World]:
    """Start PostgreSQL and the sink; stop them and remove everything at the end."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-bench-"))
    folder.chmod(0o755)
    home = folder / "postgres"
    home.mkdir(mode=0o755)
    server = embedded_postgres.Server(home, options=OPTIONS)
    try:
        server.start()
        with Sink.running() as sink:
            yield World(plan, server, sink, folder, say)
    finally:
        if server.is_running():
            server.stop("immediate")
        shutil.rmtree(folder)
