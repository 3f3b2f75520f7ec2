"""The embedded PostgreSQL: one server a directory, shared, stopped by its last user, and there again after any crash."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import psycopg
import pytest

from dispatcher.database import embedded_postgres
from tests.support.paths import ROOT

OPTIONS = {"fsync": "off", "shared_buffers": "1MB", "max_connections": "10"}

# A user of a directory: says the address, and stays until its input ends.
USER = """
import sys
from pathlib import Path
from dispatcher.database import embedded_postgres
with embedded_postgres.running(Path(sys.argv[1]), options={"fsync": "off", "shared_buffers": "1MB"}) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def user(directory):
    process = subprocess.Popen(
        [sys.executable, "-c", USER, directory],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.communicate(timeout=30)


def address(process):
    return process.stdout.readline().strip()


def leave(process):
    process.communicate(timeout=30)
    assert process.returncode == 0


def is_running(directory):
    return embedded_postgres.EmbeddedServer(directory).is_running()


def until(condition):
    deadline = monotonic() + 30
    while not condition():
        assert monotonic() < deadline


def use(url):
    """Use the server; tell how often this directory's was used before."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS used (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO used DEFAULT VALUES")
        return connection.execute("SELECT count(*) FROM used").fetchone()[0]


@contextlib.contextmanager
def folder():
    """A folder that every account can reach."""
    with tempfile.TemporaryDirectory(prefix="outbox-embedded-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def directory():
    """The directory of a server that several tests use, one after the other."""
    with folder() as parent:
        yield parent / ".outbox"


@pytest.fixture
def new_directory():
    """A directory that has had no server yet."""
    with folder() as parent:
        yield parent / ".outbox"


@pytest.fixture(autouse=True)
def nothing_left(directory):
    yield
    assert not is_running(directory)


def test_a_directory_that_is_not_there_yet_gets_a_server_that_ends_with_its_user_and_keeps_its_data(directory):
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        assert is_running(directory)
        used = use(url)
    assert not is_running(directory)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        assert use(url) == used + 1


def test_it_listens_on_loopback_only_and_asks_for_a_password(directory):
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        with psycopg.connect(url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
            assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
            assert connection.info.host == "127.0.0.1"
            password = connection.info.password
        assert len(password) >= 32
        for wrong in ("", "outbox", password[:-1]):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url.replace(password, wrong))
    assert (directory / "password").stat().st_mode & 0o077 == 0


def test_a_user_that_fails_stops_the_server_as_well(directory):
    with pytest.raises(ZeroDivisionError), embedded_postgres.running(directory, options=OPTIONS):
        raise ZeroDivisionError
    assert not is_running(directory)


def test_processes_share_one_server_and_the_last_to_leave_stops_it(directory):
    with user(directory) as first, user(directory) as second:
        assert address(first) == (url := address(second))
        leave(first)
        assert use(url)
        with embedded_postgres.running(directory) as third:
            assert third == url
            leave(second)
            assert use(url)
        assert not is_running(directory)


def test_several_that_start_at_once_share_one_server(new_directory):
    def start(_):
        with embedded_postgres.running(new_directory, options=OPTIONS) as url:
            ready.append(url)
            until(lambda: len(ready) == 4)
            psycopg.connect(url).close()

    ready = []
    with user(new_directory) as process, ThreadPoolExecutor(3) as threads:
        starts = threads.map(start, range(3))
        ready.append(address(process))
        assert len(list(starts)) == 3
    assert len(set(ready)) == 1
    assert not is_running(new_directory)


def test_a_user_that_was_killed_leaves_a_server_that_the_next_takes_over(directory):
    with user(directory) as killed:
        url = address(killed)
        used = use(url)
        killed.kill()
        killed.wait()
    assert is_running(directory)
    with embedded_postgres.running(directory) as again:
        assert again == url
        assert use(again) == used + 1
    assert not is_running(directory)


def test_one_of_two_users_that_is_killed_disturbs_neither_the_other_nor_the_end(directory):
    with user(directory) as killed, user(directory) as other:
        assert address(killed) == address(other)
        killed.kill()
        killed.wait()
        leave(other)
    assert not is_running(directory)


def test_a_server_that_crashed_starts_again_with_all_that_was_committed(directory):
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        used = use(url)
        embedded_postgres.EmbeddedServer(directory).stop("immediate")
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        assert use(url) == used + 1


def test_a_machine_that_went_down_leaves_a_directory_that_starts_again(directory):
    server = embedded_postgres.EmbeddedServer(directory, options=OPTIONS)
    server.start()
    used = use(server.url)
    os.kill(int((server.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    until(lambda: not server.is_running())
    (server.data / "postmaster.pid").write_text("999999999\n")
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        assert use(url) == used + 1


def test_a_first_start_that_was_killed_half_way_leaves_a_directory_that_starts(new_directory):
    with user(new_directory) as killed:
        until(lambda: any(new_directory.rglob("unfinished-*/PG_VERSION")))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    with embedded_postgres.running(new_directory, options=OPTIONS) as url:
        assert use(url) == 1
    assert not list(new_directory.rglob("unfinished-*"))


def test_a_directory_may_have_any_name(new_directory):
    directory = new_directory / "a folder's name, with spaces & ümläuts"
    for used in (1, 2):
        with embedded_postgres.running(directory, options=OPTIONS) as url:
            assert use(url) == used


def test_a_directory_may_be_closed_to_others_and_starts_from_nothing_once_it_was_removed(tmp_path):
    directory = tmp_path / "closed" / ".outbox"
    directory.parent.mkdir(mode=0o700)
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        assert use(url) == 1
        shutil.rmtree(directory)
        with embedded_postgres.running(directory, options=OPTIONS) as again:
            assert use(again) == 1
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        assert use(url) == 2
    shutil.rmtree(embedded_postgres.EmbeddedServer(directory).data.parent)


def test_a_lost_password_stops_the_start_and_leaves_the_data_alone(directory):
    password = directory / "password"
    kept = password.read_text()
    password.unlink()
    with (
        pytest.raises(embedded_postgres.EmbeddedError, match=r"password is missing; put it back, or remove .*"),
        embedded_postgres.running(directory),
    ):
        pass
    password.write_text(kept)
    with embedded_postgres.running(directory, options=OPTIONS) as url:
        assert use(url) > 1


def test_what_the_server_says_against_a_start_is_told(directory):
    with (
        pytest.raises(embedded_postgres.EmbeddedError, match=r'does not start on .*: .*"max_connections": "none"'),
        embedded_postgres.running(directory, options={"max_connections": "none"}),
    ):
        pass


@pytest.mark.parametrize("moment", ["unfinished-*/PG_VERSION", "postgres/postmaster.pid"])
def test_ctrl_c_while_it_starts_leaves_no_server_and_a_directory_that_starts(new_directory, moment):
    with user(new_directory) as interrupted:
        until(lambda: [*new_directory.glob(moment), *new_directory.glob(f"server/{moment}")])
        os.killpg(interrupted.pid, signal.SIGINT)
        interrupted.wait()
    assert not is_running(new_directory)
    with embedded_postgres.running(new_directory, options=OPTIONS) as url:
        assert use(url) == 1


@pytest.mark.parametrize("place", ["file", "file/.outbox", "/proc/outbox"])
def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path, place):
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            embedded_postgres.EmbeddedError, match=r"cannot be kept in .*start this in a folder where you may"
        ),
        embedded_postgres.running(tmp_path / place),
    ):
        pass


def test_a_directory_may_have_a_name_that_is_no_text(new_directory):
    with embedded_postgres.running(new_directory / os.fsdecode(b"caf\xe9"), options=OPTIONS) as url:
        assert use(url) == 1


def test_a_password_that_is_there_stays_when_a_data_directory_is_made(new_directory):
    new_directory.mkdir()
    (new_directory / "password").write_text("of-another-account")
    with (
        embedded_postgres.running(new_directory, options=OPTIONS) as url,
        psycopg.connect(url) as connection,
    ):
        assert connection.info.password == "of-another-account"


def test_a_free_port_that_somebody_takes_first_is_replaced_and_one_that_was_asked_for_is_not(
    new_directory, monkeypatch
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = iter([port, embedded_postgres.free_port()])
        with monkeypatch.context() as patch:
            patch.setattr(embedded_postgres, "free_port", lambda: next(ports))
            with embedded_postgres.running(new_directory, options=OPTIONS) as url:
                assert use(url) == 1
        with pytest.raises(embedded_postgres.EmbeddedError, match="Address already in use"):
            embedded_postgres.EmbeddedServer(new_directory, options=OPTIONS, port=port).start()
