"""Every command and snippet of README and docs is run or checked unchanged; none is left unchecked."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from types import SimpleNamespace

import msgspec
import psycopg
import pytest
import yaml
from typer.testing import CliRunner

from dispatcher.cli import app
from dispatcher.config import load
from dispatcher.config.settings import variables
from dispatcher.database import embedded_postgres
from dispatcher.worker import WORK_REMAINS
from tests.support import processes
from tests.support.documents import PAGES, blocks, commands, parse
from tests.support.paths import ROOT
from tests.support.snippet_crm import Crm

DIAGRAM = set("┌─▶│└")
STAY = {"dispatch", "serve", "sandbox"}
"""Commands that run until a signal stops them."""
UNIT = {"enable", "restart", "start", "stop"}
MODULES = {"scripts/chaos": "tests.faults.chaos", "scripts/bench": "tests.bench", "scripts/mutate": "tests.mutation"}
"""Scripts that run a module of the tests with the same arguments."""


@pytest.fixture
def world(empty_database, connection, spine, tmp_path):
    """A CRM's database with some events, and settings that point to the sandbox."""
    connection.execute("CREATE TABLE lead (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, phone text)")
    connection.execute("DROP ROLE IF EXISTS crm; CREATE ROLE crm")
    for number in range(1, 18):
        spine.record(name="lead_submitted", event_id=f"first-{number}", lead_id=str(number), account_id="17")
    environment = {
        "OUTBOX_DATABASE_URL": spine.database_url,
        "RESTORED_DATABASE_URL": empty_database,
        "META_CAPI_TOKEN": "test-token",
        "META_CAPI_BASE_URL": spine.sandbox.url,
        "GA4_API_SECRET": "test-secret",
        "GA4_MP_BASE_URL": spine.sandbox.url,
    }
    yield SimpleNamespace(url=spine.database_url, connection=connection, environment=environment, folder=tmp_path)
    connection.execute("DROP OWNED BY crm; DROP ROLE crm")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_the_snippets_of_a_page_run(page, world):
    await asyncio.to_thread(run_page, page, world)


def run_page(page, world):
    with Crm(world.url) as crm:
        checks = {
            "": check_diagram, "sh": functools.partial(run_shell, world), "sql": functools.partial(run_sql, world),
            "python": crm.run, "toml": functools.partial(check_toml, world), "html": check_html,
            "js": functools.partial(check_script, world), "json": lambda block: msgspec.json.decode(block.text),
            "yaml": check_yaml, **dict.fromkeys(("php", "javascript", "ruby"), check_example),
        }  # fmt: skip
        for block in blocks(page):
            assert block.language in checks, f"{block!r}: there is no check for {block.language}"
            try:
                checks[block.language](block)
            except Exception as error:
                error.add_note(f"in {block!r}")
                raise


def test_blocks_are_found():
    assert sum(len(blocks(page)) for page in PAGES) > 50
    # An unclosed fence would include the rest of its page.
    for page in PAGES:
        assert page.read_text(encoding="utf-8").count("```") == 2 * len(blocks(page)), page


def check_diagram(block):
    assert DIAGRAM & set(block.text), f"{block!r} has no language and is not a diagram"


def check_example(block):
    examples = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "examples").glob("record.*")]
    assert block.text in examples, "tests/integration/record/test_languages.py runs only the files in docs/examples"


def check_yaml(block):
    """Check that a block is YAML, and that the files it names exist."""
    content = yaml.safe_load(block.text)
    for name in content.get("rule_files", ()):
        assert list((ROOT / "docs" / "operations").rglob(name))


def check_toml(world, block):
    """Load a configuration; the commands after it on the page use it."""
    path = world.folder / "outbox.toml"
    path.write_text(block.text, encoding="utf-8")
    assert tomllib.loads(block.text)
    load(path, {})
    world.environment["OUTBOX_CONFIG"] = str(path)


class _Attributes(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, _tag, attributes):
        self.found |= {name for name, _ in attributes if name.startswith("data-")}


def check_html(block):
    parser = _Attributes()
    parser.feed(block.text)
    snippet = (ROOT / "outbox" / "browser" / "outbox.js").read_text(encoding="utf-8")
    for attribute in parser.found:
        first, *rest = attribute.removeprefix("data-").split("-")
        camel = first + "".join(word.title() for word in rest)
        assert attribute in snippet or camel in snippet, f"outbox.js does not use {attribute}"


def check_script(world, block):
    path = world.folder / "block.mjs"
    path.write_text(block.text, encoding="utf-8")
    subprocess.run(["node", "--check", path], check=True)


# SQL ------------------------------------------------------------------------------------------------------------------


def run_sql(world, block):
    if block.page.name == "languages.md":
        check_example(block)
        return
    with psycopg.connect(world.url) as crm:
        for statement in re.split(r";\s*(?:\n|$)", block.text):
            if statement.strip() and statement.strip() not in {"BEGIN", "COMMIT"}:
                crm.execute(statement)


# Shell ----------------------------------------------------------------------------------------------------------------


def run_shell(world, block):
    for command in commands(block):
        program, *arguments = command
        if program == "outbox":
            run_outbox(world, arguments)
        elif program in {"pg_dump", "pg_restore"}:
            expanded = [re.sub(r"\$(\w+)", lambda name: world.environment[name[1]], text) for text in arguments]
            subprocess.run([embedded_postgres._INSTALL / "bin" / program, *expanded], cwd=world.folder, check=True)
        elif is_setting(program):
            continue
        elif program.startswith("scripts/"):
            check_script_call(program, arguments)
        else:
            assert program in CHECKED, f"there is no check for {program}"
            CHECKED[program](arguments)


def check_script_call(program, arguments):
    """Check that a script can be run, and that it takes these arguments."""
    assert os.access(ROOT / program, os.X_OK)
    if program in {"scripts/demo", "scripts/backfill"}:
        parse([program.removeprefix("scripts/"), *arguments])
    elif program in MODULES:
        options = {argument for argument in arguments if argument.startswith("--")}
        help_text = subprocess.run(
            [sys.executable, "-m", MODULES[program], "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert options <= set(re.findall(r"--[a-z-]+", help_text))
    elif program == "scripts/test":
        assert all((ROOT / argument).exists() for argument in arguments if "/" in argument)
    elif program == "scripts/setup":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        assert {extra for argument in arguments for extra in argument.split(",")} <= set(extras)
    else:
        assert not arguments, f"there is no check for the arguments of {program}"


def is_setting(word):
    """Return whether a word sets the variable of a setting."""
    name, sets, _ = word.partition("=")
    return bool(sets) and name in variables()


def run_outbox(world, arguments):
    """Run a command to its end; start one that keeps running, and stop it by a signal."""
    parse(arguments)
    command = arguments[0]
    if command == "demo":
        return  # tests/e2e/test_demo.py runs it
    if command in STAY and "--drain" not in arguments:
        stay(world, arguments)
    elif command == "erase" and "--yes" not in arguments:
        code, output, errors = processes.run(world.environment, *arguments, answer="y\n")
        assert code == 0, output + errors
    elif command == "dispatch":
        code, output, errors = processes.run(world.environment, *arguments)
        assert code in {0, WORK_REMAINS}, output + errors
    else:
        done = CliRunner().invoke(app, arguments, env=world.environment)
        usual = {0, 1} if command == "doctor" else {0}
        assert done.exit_code in usual, (arguments, done.output, done.exception)
        assert not done.exception or isinstance(done.exception, SystemExit)


def stay(world, arguments):
    free = ["0" if before == "--port" else word for before, word in zip([None, *arguments], arguments, strict=False)]
    if "--port" not in free and arguments[0] != "dispatch":
        free += ["--port", "0"]
    process = subprocess.Popen(
        [processes.OUTBOX, *free], env={"PATH": os.environ["PATH"], **world.environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "http://" in line:
            process.send_signal(signal.SIGTERM)
            break
    lines += process.stdout.read()
    process.stdout.close()
    assert process.wait(30) in {0, -signal.SIGTERM}, "".join(lines)
    assert "http://" in "".join(lines)


def check_venv(arguments):
    assert arguments[:2] == ["-m", "venv"]


def check_pip(arguments):
    assert arguments in (["install", "./outbox"], ["install", "./outbox", "."])
    assert all((ROOT / folder / "pyproject.toml").exists() for folder in arguments[1:])


def check_install(arguments):
    *options, source, target = arguments
    assert (ROOT / source).is_file()
    assert target.startswith("/etc/")
    assert options


def check_copy(arguments):
    source, target = arguments
    assert (ROOT / source).is_file()
    assert target == source.removesuffix(".example"), "which git ignores"


def check_alias(arguments):
    (defined,) = arguments
    name, _, command = defined.partition("=")
    program, *options = shlex.split(command)
    assert name == "outbox"
    if program == "systemd-run":
        unit = (ROOT / "docs" / "operations" / "outbox.service").read_text(encoding="utf-8")
        given = [word.removeprefix("--property=") for word in options if word.startswith("--property=")]
        assert given
        assert all(f"\n{option}\n" in unit for option in given), "not the options of the daemon's own unit"
        assert f"ExecStart={options[-1]} " in unit
    elif program == "docker":
        check_files(options)
        compose = yaml.safe_load((ROOT / "docs" / "operations" / "compose.yaml").read_text(encoding="utf-8"))
        assert options[-1] in compose["services"]
    else:
        assert (program, options[-1]) == ("kubectl", "outbox")


def check_systemctl(arguments):
    *verb, unit = arguments
    assert verb[0] in UNIT
    assert (ROOT / "docs" / "operations" / unit).is_file()


def check_files(arguments):
    """Check that the files passed to docker or kubectl exist."""
    named = [after for option, after in itertools.pairwise(arguments) if option in {"--file", "--filename"}]
    named += [argument.partition("=")[2] for argument in arguments if argument.startswith("--from-env-file=")]
    assert all((ROOT / name).is_file() or (ROOT / f"{name}.example").is_file() for name in named)
    assert named or "namespace" in arguments


CHECKED = {
    "python3": check_venv,
    **dict.fromkeys(("pip", "/opt/outbox/bin/pip"), check_pip),
    "install": check_install,
    "cp": check_copy,
    "alias": check_alias,
    "systemctl": check_systemctl,
    "docker": check_files,
    "kubectl": check_files,
}
"""Commands that need another machine: only their arguments are checked."""
