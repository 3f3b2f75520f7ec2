"""What every command has: help with exit codes, tables on a terminal, plain text and JSON elsewhere, completion."""

from __future__ import annotations

import os
import socket
import subprocess

import click
import pytest
import typer

from dispatcher.cli import app
from tests.support.processes import OUTBOX, run

LISTINGS = (
    ("dead", "list"), ("destination", "list"), ("doctor",), ("person", "--lead", "1"), ("preview", "one"),
    ("report",), ("backfill",),
)  # fmt: skip


def commands(group, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group) or hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_every_command_and_every_option_has_a_help_text():
    for path, command in COMMANDS.items():
        assert command.help, path
        for parameter in command.params:
            if parameter.name != "help":
                assert parameter.help, (path, parameter.name)


def test_the_help_lists_the_exit_codes():
    _, out, _ = run({}, "--help")
    assert "Exit codes: 0 success; 1 failure" in out
    assert "Exit code 1" in run({}, "doctor", "--help")[1]


@pytest.mark.parametrize("command", LISTINGS, ids=" ".join)
async def test_every_listing_is_plain_text_in_a_pipe_and_has_json(outbox, spine, command):
    spine.record(name="lead_submitted", event_id="one", lead_id="1", person={"email": "ada@example.com"})
    spine.record(name="subscription_purchased", event_id="two", lead_id="1")
    await spine.drain()
    _, plain, _ = await outbox(*command)
    assert plain
    assert not set(plain) & set("│┃━─╭╰\x1b"), "no tables, no colours"
    _, listed, _ = await outbox(*command, "--json")
    assert listed.startswith(("[", "{"))
    assert listed.count("\n") == 1


async def test_a_listing_is_a_table_on_a_terminal(outbox, spine):
    spine.record(name="subscription_purchased", event_id="[red]two[/red]", lead_id="1")
    await spine.drain()
    _, shown, _ = await outbox("destination", "list", answer="")
    assert "┃" in shown
    _, shown, _ = await outbox("preview", "[red]two[/red]", answer="")
    assert "[red]two[/red]" in shown, "what was recorded is not read as markup"


def test_a_usage_error_and_a_configuration_error_exit_2():
    assert run({}, "nothing")[0] == 2
    assert run({}, "destination", "pause")[0] == 2
    code, _, errors = run({"OUTBOX_LEASE_SECONDS": "soon"}, "destination", "list")
    assert (code, "OUTBOX_LEASE_SECONDS" in errors) == (2, True)


def test_an_unavailable_database_exits_1():
    code, _, errors = run({"OUTBOX_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "dead", "list")
    assert (code, "check OUTBOX_DATABASE_URL" in errors) == (1, True)


def test_a_database_user_without_rights_gets_the_missing_grant(connection, database_url):
    connection.execute("CREATE ROLE outbox_nobody_test LOGIN PASSWORD 'x'")
    try:
        _, _, host = database_url.partition("@")
        code, _, errors = run({"OUTBOX_DATABASE_URL": f"postgresql://outbox_nobody_test:x@{host}"}, "dead", "list")
    finally:
        connection.execute("DROP ROLE outbox_nobody_test")
    assert (code, "GRANT outbox_dispatcher" in errors) == (1, True)


def test_shell_completion_works_once_installed(tmp_path):
    """Do what a person does: install, open a new bash, type, press Tab."""
    environment = {
        "PATH": f"{OUTBOX.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), "SHELL": "/bin/bash",
    }  # fmt: skip

    def bash(script):
        return subprocess.run(
            ["/bin/bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    installed = bash("outbox --install-completion bash; true")
    assert "completion installed" in installed.stdout, installed.stderr

    def completed(*words):
        typed = " ".join(f"'{word}'" for word in words)
        script = f"source ~/.bashrc; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _outbox_completion outbox; echo ${{COMPREPLY[@]}}"
        return bash(script).stdout.split()

    assert completed("outbox", "des") == ["destination"]
    assert completed("outbox", "destination", "pause", "me") == ["meta"]
    assert completed("outbox", "destination", "pause", "meta", "--step", "lead") == ["lead_submitted"]


@pytest.mark.parametrize("command", ["dispatch", "sandbox", "serve"])
async def test_a_port_that_is_taken_is_a_sentence_and_no_traceback(outbox, command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = await outbox(command, "--port", str(port))
    assert code == 1
    assert "Traceback" not in errors
    assert f"cannot listen on 127.0.0.1, port {port}" in errors
