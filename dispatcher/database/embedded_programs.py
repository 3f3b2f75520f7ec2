"""PostgreSQL's programs where the server's account can run them: the package's own, or a copy of them.

Root's server runs as another account, which cannot reach a package below /root, or one installed under umask 077. For it
the package is copied into a public folder, with the layout that the programs look for their libraries in.

A copy is complete or not there: it is made under another name and renamed. Whoever uses one, the server included, holds
a shared lock on it; what nobody holds and nobody needs any more is removed whenever a copy is made. (systemd-tmpfiles
heeds such a lock too; what it removed from an idle copy is noticed, and the copy made anew.)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from importlib import metadata
from pathlib import Path

PUBLIC = (Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - where every account can go; folders there are made with care
"""Where folders for the server's account are made, in this order of preference; for programs also TMPDIR."""

_PREFIX = "outbox-postgres-"
_UNFINISHED = _PREFIX + "unfinished-"
_SOURCE = "copied-from"
_LAYOUT = 2
"""The layout of a copy; another number gives it another name."""


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL could not do what was asked; the message says why."""


class Programs:
    """The programs of the package in the folder `install`, to be run as `account` (None: as this process)."""

    def __init__(self, install: Path, account: str | None) -> None:
        self._account = _look_up(account) if account else None
        self._held: int | None = None
        self.bin = install / "bin"
        if self._account and (refusal := self._refusal()):
            self._use_copy(install.resolve(), refusal)

    def run(self, program: str, *arguments: str | Path, feed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; its `stdout` holds errors as well. Raise EmbeddedError if it cannot be run at all."""
        try:
            return self._execute(program, *arguments, feed=feed)
        except OSError as error:
            raise EmbeddedError(f"the embedded PostgreSQL cannot run {program}: {reason(error)}") from error

    def _execute(self, program: str, *arguments: str | Path, feed: str | None) -> subprocess.CompletedProcess[str]:
        # Output goes to a file: a pipe would stay open in the server that pg_ctl leaves behind.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            done = subprocess.run(  # noqa: S603 - programs of our own package
                [self.bin / program, *arguments],
                user=self._account.pw_uid if self._account else None,
                group=self._account.pw_gid if self._account else None,
                extra_groups=[] if self._account else None,
                cwd="/",
                start_new_session=True,  # Ctrl-C reaches all that belongs to the terminal: it must not end these halfway
                pass_fds=() if self._held is None else (self._held,),  # so that the server holds its programs, too
                env={"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
                input=feed,
                stdin=None if feed is not None else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                check=False,
            )
            output.seek(0)
            done.stdout = output.read().strip()
            return done

    def _use_copy(self, install: Path, refusal: str) -> None:
        refusals = [refusal]
        for public in dict.fromkeys((*PUBLIC, Path(tempfile.gettempdir()))):
            try:
                copy, self._held = _hold_copy(install, public)
            except OSError as error:
                refusals.append(f"no copy in {public}: {reason(error)}")
                continue
            self.bin = copy / install.relative_to(install.parents[1]) / "bin"
            if not (refusal := self._refusal()):
                return
            refusals.append(refusal)
            shutil.rmtree(copy, ignore_errors=True)
            os.close(self._held)
            self._held = None
        raise EmbeddedError(
            "the embedded PostgreSQL's programs run neither where they are installed nor as a copy"
            f" ({'; '.join(refusals)}); set TMPDIR to a folder where every account may run programs, or set"
            " OUTBOX_DATABASE_URL"
        )

    def _refusal(self) -> str:
        """Return why the account cannot run the programs; nothing if it can."""
        for program in ("initdb", "pg_ctl", "postgres"):
            try:
                done = self._execute(program, "--version", feed=None)
            except OSError as error:
                return reason(error)
            if done.returncode:
                return done.stdout[-500:] or f"{self.bin / program} ended with {done.returncode}"
        return ""


def reason(error: BaseException) -> str:
    """Describe an error of the operating system in its own words, with the file that it is about."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.strerror}: {os.fspath(error.filename)!s}" if error.filename is not None else error.strerror


def short_name(*parts: str | Path) -> str:
    """Return a short name for something identified by these parts, which may hold any character."""
    return sha256(b"\0".join(os.fsencode(part) for part in parts)).hexdigest()[:12]


def _look_up(account: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(account)
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and there is no account {account!r} here; start this as another user,"
            " or set OUTBOX_DATABASE_URL"
        ) from None


def _hold_copy(install: Path, public: Path) -> tuple[Path, int]:
    """Return a complete copy of the package in `public`, made if need be, and the descriptor that holds its lock."""
    copy = public / (_PREFIX + short_name(install, metadata.version(install.parent.name), str(_LAYOUT)))
    with _alone(install):
        if (held := _hold(copy)) is not None and not _is_complete(install, copy):
            # Somebody may run from it still: what is open stays open, and its path leads to the new one.
            copy.rename(tempfile.mkdtemp(prefix=_UNFINISHED, dir=public))
            os.close(held)
            held = None
        if held is None:
            _sweep(install, copy)
            held = _make(install, copy)
    return copy, held


@contextlib.contextmanager
def _alone(install: Path) -> Iterator[None]:
    """Let one process at a time make copies of a package."""
    lock = os.open(install, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _hold(folder: Path, lock: int = fcntl.LOCK_SH) -> int | None:
    """Open and lock a folder of ours; return None if there is none, or (with LOCK_NB) if others hold it."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, held)
        if os.fstat(held).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "belongs to somebody else; remove it", str(folder))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(held, lock)
            if os.path.samestat(os.fstat(held), folder.lstat()):  # else it was removed meanwhile
                closing.pop_all()
                return held
    return None


def _make(install: Path, copy: Path) -> int:
    held = None
    while held is None:  # another's sweep may remove what is new before it is locked
        fresh = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=copy.parent))
        held = _hold(fresh)
    try:
        (fresh / _SOURCE).write_bytes(os.fsencode(install))
        for source, relative in _files(install):
            target = fresh / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            os.utime(target, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
            target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        for folder in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        fresh.rename(copy)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        os.close(held)
        raise
    return held


def _files(install: Path) -> Iterator[tuple[Path, Path]]:
    """Return the files that the programs need, each with its place below the folder that the package is installed in."""
    package, site = install.parent, install.parents[1]
    libraries = (site / f"{package.name}.libs", package / ".dylibs")  # where auditwheel and delocate put them
    for folder in (install / "bin", install / "lib", install / "share", *libraries):
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, path.relative_to(site)


def _is_complete(install: Path, copy: Path) -> bool:
    def identity(path: Path) -> tuple[int, int]:
        return (found := path.stat()).st_size, int(found.st_mtime)

    try:
        return all(identity(source) == identity(copy / relative) for source, relative in _files(install))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sweep(install: Path, keep: Path) -> None:
    """Remove unfinished copies, older ones of this package, and those of packages that are gone, unless in use."""
    for folder in keep.parent.glob(_PREFIX + "*"):
        if folder == keep or folder.is_symlink() or not folder.is_dir():
            continue
        with contextlib.suppress(OSError):
            held = _hold(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if held is None:
                continue
            if folder.name.startswith(_UNFINISHED) or _is_outdated(folder, install):
                shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def _is_outdated(copy: Path, install: Path) -> bool:
    try:
        source = Path(os.fsdecode((copy / _SOURCE).read_bytes()))
    except FileNotFoundError:  # made before copies said where they are from, or removed halfway
        return True
    return source == install or not source.exists()
