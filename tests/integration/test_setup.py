"""Set-up, as scripts/setup and scripts/debian do it: each step that fails names itself and its reason, and may be repeated."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"
PIP_CANNOT_REACH_ANYTHING = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": f"{NOWHERE}/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "0",
}
PIP_REFUSES = {"PIP_TIMEOUT": "none"}
"""A setting of pip's that is wrong, so that it fails at once."""


@pytest.fixture
def checkout():
    """What set-up needs of a checkout, in a folder that every account can reach."""
    with tempfile.TemporaryDirectory(prefix="outbox-setup-") as name:
        Path(name).chmod(0o755)
        checkout = Path(name) / "a checkout"
        shutil.copytree(ROOT / "scripts", checkout / "scripts")
        shutil.copytree(ROOT / "docs" / "examples", checkout / "docs" / "examples")
        shutil.copytree(ROOT / "outbox", checkout / "outbox")
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / file, checkout)
        yield checkout


def run(command, *, user=None, **environment):
    done = subprocess.run(
        [command],
        env={"PATH": os.environ["PATH"], **environment},
        cwd="/",
        user=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_an_index_that_cannot_be_reached_is_named_and_what_was_made_before_is_kept(checkout):
    setup = checkout / "scripts" / "setup"
    code, said = run(setup, **PIP_CANNOT_REACH_ANYTHING)
    assert code == 1
    assert "setup: making .venv" in said
    assert "ERROR: " in said
    assert "setup: pip could not install the package, see above" in said
    assert "making .venv" not in run(setup, **PIP_REFUSES)[1]


def test_what_was_left_in_part_or_was_moved_is_made_anew(checkout):
    setup = checkout / "scripts" / "setup"
    venv.create(checkout / ".venv")
    (site,) = (checkout / ".venv").glob("lib/python*/site-packages")
    (site / "half").mkdir()  # pip was stopped after it had begun to install
    (checkout / ".venv" / ".unfinished").touch()
    os.utime(checkout / ".venv" / ".unfinished", (0, 0))
    code, said = run(setup, **PIP_REFUSES)
    assert code == 1
    assert "setup: making .venv" in said
    assert not (site / "half").exists()
    assert "making .venv" not in run(setup, **PIP_REFUSES)[1]
    (checkout / ".venv" / ".installed-lint").write_text("/elsewhere\n[project]\n")
    assert "setup: making .venv" in run(setup, **PIP_REFUSES)[1]


def test_a_second_set_up_of_the_same_folder_waits_for_the_first(checkout):
    setup = checkout / "scripts" / "setup"
    with (
        subprocess.Popen([setup], env={**os.environ, **PIP_REFUSES}, stderr=subprocess.PIPE) as first,
        contextlib.ExitStack() as ends,
    ):
        ends.callback(first.stderr.read)
        assert b"making .venv" in first.stderr.readline()
        code, said = run(setup, **PIP_REFUSES)
        assert first.wait() == code == 1
        assert "setup: waiting for another set-up of this folder\nsetup: installing the package" in said


def test_a_checkout_that_cannot_be_written_to_is_said_and_not_blamed_on_python(checkout):
    is_root = os.geteuid() == 0
    if not is_root:
        checkout.chmod(0o555)
    code, said = run(checkout / "scripts" / "setup", user=65534 if is_root else None, PATH="/usr/bin:/bin")
    checkout.chmod(0o755)
    assert (code, said) == (1, f"setup: cannot write to {checkout}; make a copy of it where you may write\n")


def test_a_python_that_is_too_old_is_named_also_through_a_link_from_anywhere(checkout):
    tools = only(checkout, "sh", "bash", "dirname", "readlink", "cat")
    (tools / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\n')
    (tools / "python3").chmod(0o755)
    link = checkout.parent / "link"
    for script in ("setup", "demo", "lint", "backfill"):
        link.symlink_to(checkout / "scripts" / script)
        code, said = run(link, PATH=str(tools))
        assert (code, said) == (1, "setup: Python 3.11 or later is needed; found Python 3.9.2\n")
        link.unlink()


def test_a_registry_of_npm_that_cannot_be_reached_is_named(checkout):
    code, said = run(
        checkout / "scripts" / "debian",
        npm_config_registry=NOWHERE,
        npm_config_cache=str(checkout / "cache"),
        npm_config_fetch_retry_mintimeout="1",
    )
    assert code == 1
    assert "npm ERR" in said or "npm error" in said
    assert "ECONNREFUSED" in said
    assert "setup: npm could not install Node's driver for PostgreSQL, see above" in said
    assert not (checkout / ".cache" / "node" / "installed.json").exists()


def test_packages_of_debian_that_cannot_be_had_are_named_with_the_reason(checkout):
    tools = only(checkout, "bash", "dirname", "readlink", "id", "apt-get", "dpkg")
    lists, sources = checkout / "lists", checkout / "sources.list"
    (lists / "partial").mkdir(parents=True)
    sources.write_text(f"deb [trusted=yes] {NOWHERE} stable main\n")
    config = checkout / "apt.conf"
    config.write_text(
        f'Dir::State::lists "{lists}";\nDir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "-";\n'
        'APT::Update::Error-Mode "any";\nAcquire::Retries "0";\nDir::Cache "/nonexistent";\nAPT::Sandbox::User "root";\n'
    )
    code, said = run(checkout / "scripts" / "debian", PATH=str(tools), APT_CONFIG=str(config))
    assert code == 1
    if os.geteuid() == 0 and (tools / "apt-get").exists():
        assert "setup: installing chromium nodejs" in said
        assert "E: " in said
        assert "setup: apt-get " in said.splitlines()[-1]
        assert "chromium nodejs npm php-cli php-pgsql ruby ruby-pg" in said.splitlines()[-1]
    else:
        assert said.startswith("setup: the tests need: sudo apt-get install chromium nodejs")


def only(checkout, *programs):
    """A folder of these programs and no others, to be the PATH."""
    tools = checkout / "tools"
    tools.mkdir()
    for program in programs:
        if found := shutil.which(program):
            (tools / program).symlink_to(found)
    return tools
