"""PostgreSQL's programs for an account that cannot reach the package: a copy, complete or not there, removed when due."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import psycopg
import pytest

from dispatcher.database import embedded_postgres, embedded_programs
from dispatcher.database.embedded_programs import EmbeddedError, Programs

ROOT = Path(__file__).parents[3]
INSTALL = embedded_postgres._INSTALL
SITE = INSTALL.parents[1]
OPTIONS = {"fsync": "off", "shared_buffers": "1MB", "max_connections": "10"}
COPY = """
import sys
from pathlib import Path
from dispatcher.database import embedded_programs
embedded_programs._hold_copy(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture
def public():
    """A folder that every account can reach."""
    with tempfile.TemporaryDirectory(prefix="outbox-public-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def install(public):
    """The package, installed under umask 077 in a folder that only its owner can reach, without much that a test needs."""
    return closed_package(public, "include", "lib", "timezone*", "extension")


@pytest.fixture
def whole_install(public):
    """The same with everything that a server needs."""
    return closed_package(public, "include")


def closed_package(public, *left_out):
    site = public / "closed" / "site-packages"
    site.mkdir(parents=True)
    site.parent.chmod(0o700)
    for folder in (INSTALL, SITE / f"{INSTALL.parent.name}.libs"):
        shutil.copytree(folder, site / folder.relative_to(SITE), ignore=shutil.ignore_patterns(*left_out))
    for path in site.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    return site / INSTALL.relative_to(SITE)


def copies(public):
    return {path.name for path in public.glob("outbox-postgres-*")}


@contextlib.contextmanager
def copied(install, public):
    """A copy, held as long as the block lasts."""
    copy, held = embedded_programs._hold_copy(install, public)
    try:
        yield copy
    finally:
        os.close(held)


def runs(copy):
    """Whether the programs of a copy find all that they need, readable to everybody."""
    assert all(path.stat().st_mode & 0o005 for path in copy.rglob("*") if path.is_dir())
    assert all(path.stat().st_mode & 0o004 for path in copy.rglob("*"))
    done = subprocess.run(
        [copy / INSTALL.relative_to(SITE) / "bin" / "initdb", "--version"], capture_output=True, check=False
    )
    return done.returncode == 0


def test_a_server_starts_from_a_package_that_only_its_owner_can_reach(whole_install, public, monkeypatch):
    monkeypatch.setattr(embedded_postgres, "_INSTALL", whole_install)
    monkeypatch.setattr(embedded_programs, "PUBLIC", (public,))
    with (
        embedded_postgres.running(public / ".outbox", options=OPTIONS) as url,
        psycopg.connect(url) as connection,
    ):
        assert connection.execute("SELECT to_tsvector('english', 'deliveries')").fetchone()[0]  # has its shared files
    assert len(copies(public)) == (os.geteuid() == 0)


def test_a_copy_is_whole_is_readable_to_all_and_is_made_once(install, public):
    with copied(install, public) as copy, copied(install, public) as again:
        assert copy == again
        assert runs(copy)
        made = copy.stat().st_ino
    with copied(install, public):
        assert copy.stat().st_ino == made
    assert copies(public) == {copy.name}


def test_several_that_need_a_copy_at_once_share_one(install, public):
    def hold(_):
        with copied(install, public) as copy:
            return copy

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(hold, range(8)))) == 1
    assert len(copies(public)) == 1


def test_one_that_is_killed_while_it_copies_leaves_nothing_that_is_ever_used_or_stays(install, public):
    with subprocess.Popen([sys.executable, "-c", COPY, install, public], cwd=ROOT) as process:
        deadline = monotonic() + 30
        while not any(public.glob("outbox-postgres-*/*/*/bin/postgres")):
            assert monotonic() < deadline
        process.kill()
    with copied(install, public) as copy:
        assert runs(copy)
        assert copies(public) == {copy.name}


def test_a_disk_that_is_full_is_said_and_leaves_nothing_behind(install, public):
    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", COPY, install, public], cwd=ROOT, capture_output=True, check=False, preexec_fn=fill
    )
    assert b"OSError" in done.stderr
    assert copies(public) == set()


@pytest.mark.parametrize("lost", ["bin/initdb", "share/postgresql/postgres.bki"])
def test_a_copy_that_has_lost_a_file_or_holds_another_is_made_anew(install, public, lost):
    with copied(install, public) as copy:
        place = copy / install.relative_to(install.parents[1]) / lost
    place.unlink()
    with copied(install, public) as copy:
        assert place.exists()
        place.write_text("cut short")
        with copied(install, public) as again:  # while the first is still in use
            assert place.stat().st_size > 1000
            assert runs(again)


def test_copies_that_nobody_needs_are_removed_and_others_stay(install, public, monkeypatch):
    other = install.parents[3] / "other" / install.relative_to(install.parents[2])
    for place in (install, install.parent.with_name(f"{install.parent.name}.libs")):
        shutil.copytree(place, other.parents[1] / place.relative_to(install.parents[1]))
    (public / "outbox-postgres-0123456789ab" / "bin").mkdir(parents=True)  # what an earlier version made
    with copied(other, public) as copy_of_other:
        pass
    monkeypatch.setattr(embedded_programs, "_LAYOUT", 0)
    with copied(install, public) as older:
        pass
    monkeypatch.setattr(embedded_programs, "_LAYOUT", -1)
    with copied(install, public) as used:
        assert copies(public) == {copy_of_other.name, used.name}
        monkeypatch.undo()
        with copied(install, public) as copy:
            assert copies(public) == {copy_of_other.name, used.name, copy.name}
            assert older.name not in copies(public)
    shutil.rmtree(other.parents[1])
    shutil.rmtree(copy)
    with copied(install, public) as copy:
        assert copies(public) == {copy.name}


def test_a_server_holds_its_programs_after_whoever_started_it_was_killed(whole_install, public, monkeypatch):
    monkeypatch.setattr(embedded_programs, "PUBLIC", (public,))
    programs = Programs(whole_install, None)
    programs._use_copy(whole_install, "")
    assert programs.bin.is_relative_to(copy := public / copies(public).pop())
    data = public / "data"
    embedded = embedded_postgres.EmbeddedServer(data, options=OPTIONS)
    embedded._programs = programs
    if os.geteuid() == 0:
        programs._account = embedded_programs._look_up("nobody")
    embedded.start()
    try:
        os.close(programs._held)  # as the end of this process would do
        programs._held = None
        assert embedded_programs._hold(copy, fcntl.LOCK_EX | fcntl.LOCK_NB) is None
    finally:
        embedded.stop("immediate")
    assert embedded_programs._hold(copy, fcntl.LOCK_EX | fcntl.LOCK_NB) is not None


def test_a_link_or_a_folder_of_somebody_else_under_the_copys_name_is_not_used(install, public):
    with copied(install, public) as copy:
        pass
    moved = copy.rename(public / "elsewhere")
    copy.symlink_to(moved)
    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        embedded_programs._hold_copy(install, public)
    copy.unlink()
    if os.geteuid() == 0:
        moved.rename(copy)
        os.chown(copy, 12345, -1)
        with pytest.raises(PermissionError, match="belongs to somebody else"):
            embedded_programs._hold_copy(install, public)


def test_where_no_copy_can_be_made_the_reason_of_each_place_is_said(install, public, monkeypatch):
    closed, missing, file = public / "closed", public / "missing", public / "file"
    file.touch()
    monkeypatch.setattr(embedded_programs, "PUBLIC", (missing, file))
    monkeypatch.setattr(tempfile, "tempdir", str(closed / "missing"))
    programs = Programs(install, None)
    with pytest.raises(EmbeddedError) as raised:
        programs._use_copy(install, "initdb cannot be reached")
    for words in ("initdb cannot be reached", f"no copy in {missing}: No such", f"no copy in {file}: Not a", "TMPDIR"):
        assert words in str(raised.value)


def test_a_program_that_is_missing_or_an_account_that_is_not_there_is_a_sentence(install):
    (install / "bin" / "pg_ctl").unlink()
    with pytest.raises(EmbeddedError, match=r"cannot run pg_ctl: No such file or directory: .*/bin/pg_ctl"):
        Programs(install, None).run("pg_ctl", "--version")
    with pytest.raises(EmbeddedError, match="there is no account 'no-such-account' here"):
        Programs(install, "no-such-account")
