"""What is published: the writer installs beside any CRM's libraries, the dispatcher runs in any folder, both build from their sdists."""

from __future__ import annotations

import asyncio
import json
import re
import tarfile
import tempfile
import tomllib
import zipfile
from email.parser import HeaderParser
from fnmatch import fnmatch
from importlib.metadata import distributions
from pathlib import Path

import psycopg
import pytest

from dispatcher.database import embedded_postgres
from tests.support import environments, processes
from tests.support.environments import GENERATED, Environment
from tests.support.paths import ROOT
from tests.support.stripe_events import NEW, SECRET, signed

pytestmark = pytest.mark.timeout(400)

WRITER, DISPATCHER = "conversion-outbox", "conversion-outbox-dispatcher"
CRM = ROOT / "tests" / "support" / "installed_crm.py"

# The oldest supported version of each of the CRM's libraries, and of each dependency of the writer that has binary wheels.
OLDEST = (
    "msgspec==0.18.5; python_version<'3.13'", "phonenumbers==8.13.0", "pycountry==23.12.7",
    "psycopg[binary]==3.1.8; python_version<'3.12'", "psycopg[binary]",
    "django>=5.2,<6", "schema", "sqlalchemy[asyncio]>=2.0,<2.1", "stripe==11.1.0",
)  # fmt: skip
# Django 6 needs Python 3.12; on a machine without that, pip installs the newest Django that works.
NEWEST = ("psycopg[binary]", "django", "schema", "sqlalchemy[asyncio]>=2.1", "stripe>=16")


@pytest.fixture(scope="module")
def dist():
    """The folder with the sdist and the wheel of each distribution."""
    with tempfile.TemporaryDirectory(prefix="outbox-published-") as folder:  # pytest would keep its own folder: 400 MB
        yield environments.build(Path(folder))


@pytest.fixture(scope="module")
def writer(dist):
    """The wheel of the writer."""
    return next(dist.glob("conversion_outbox-*.whl"))


@pytest.fixture(scope="module")
def dispatcher(dist):
    """The wheel of the dispatcher."""
    return next(dist.glob("conversion_outbox_dispatcher-*.whl"))


@pytest.fixture(scope="module")
def installed(dist, writer, dispatcher):
    """Three environments by name: the dispatcher, and two CRMs with the writer."""
    folder, newest = dist.parent, environments.newest_python()
    return {
        "dispatcher": Environment(folder / "dispatcher", writer, dispatcher),
        "oldest": Environment(folder / "oldest", writer, *OLDEST),
        "newest": Environment(folder / "newest", writer, *NEWEST, python=newest),
    }


# What is in the files


def files_of(folder):
    """Return the files of a folder of the checkout, without generated ones."""
    paths = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path for path in paths if not any(fnmatch(part, name) for part in path.parts for name in GENERATED)}


def contents(wheel):
    """Return the files that a wheel installs, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {Path(name) for name in archive.namelist() if ".dist-info/" not in name}


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def test_the_writer_is_the_package_outbox_and_nothing_else(writer):
    about_the_project = {Path("outbox", name) for name in ("pyproject.toml", "README.md", "LICENSE")}
    assert contents(writer) == files_of("outbox") - about_the_project


def test_the_dispatcher_is_the_package_dispatcher_with_all_sql_templates_and_scripts(dispatcher):
    entry = Path("dispatcher/cli/entry/conversion_outbox_dispatcher.py")
    data = {Path("dispatcher") / path for folder in ("schema", "migrations") for path in files_of(folder)}
    assert contents(dispatcher) == files_of("dispatcher") - {entry} | data | {Path(entry.name)}


def test_the_writer_needs_three_packages_and_none_of_the_crms_own_libraries(writer):
    needed = metadata(writer).get_all("Requires-Dist")
    assert {re.split("[<>=]", text)[0] for text in needed} == {"msgspec", "phonenumbers", "pycountry"}


def test_both_have_one_version_and_one_licence_and_the_dispatcher_needs_that_writer(writer, dispatcher):
    writer, dispatcher = metadata(writer), metadata(dispatcher)
    assert (writer["Name"], dispatcher["Name"]) == (WRITER, DISPATCHER)
    assert writer["Version"] == dispatcher["Version"]
    assert f"{WRITER}=={writer['Version']}" in dispatcher.get_all("Requires-Dist")
    assert (ROOT / "LICENSE").read_bytes() == (ROOT / "outbox" / "LICENSE").read_bytes()
    for project in (ROOT, ROOT / "outbox"):
        assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["readme"] == "README.md"


def test_the_sdists_hold_the_licence_and_the_readme(dist):
    for path in dist.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        assert {"pyproject.toml", "README.md", "LICENSE"} <= names


@pytest.mark.parametrize("name", ["dispatcher", "oldest", "newest"])
def test_no_other_distribution_owns_a_name_of_ours(installed, name):
    environment = installed[name]
    owners = {}
    for distribution in distributions(path=[str(environment.packages)]):
        project = distribution.name  # read from its metadata each time
        for line in (distribution.read_text("RECORD") or "").splitlines():
            owners.setdefault(re.split("[/,]", line)[0], set()).add(project)
    assert owners["outbox"] == {WRITER}
    if name == "dispatcher":
        assert owners["dispatcher"] == owners["conversion_outbox_dispatcher.py"] == {DISPATCHER}
    else:
        assert owners.get("schema.py", owners.get("schema")) == {"schema"}


# The writer in a CRM


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("oldest", {"django": "5.2.", "sqlalchemy": "2.0.", "stripe": "11."}),
        ("newest", {"sqlalchemy": "2.1."}),
    ],
)
def test_a_crm_records_with_each_library_that_it_has(installed, database_url, connection, name, has):
    environment = installed[name]
    payload, signature = signed(NEW.invoice_paid(metadata={"account_id": "42"}))
    given = {"url": database_url, "payload": payload.decode(), "signature": signature, "secret": SECRET}
    found = json.loads(environments.run(environment.python, "-I", CRM, feed=json.dumps(given)))
    assert Path(found["outbox"]).is_relative_to(environment.packages)
    assert all(found["versions"][library].startswith(version) for library, version in has.items()), found["versions"]
    assert name == "oldest" or found["versions"]["django"].startswith("6.") == (found["python"] >= [3, 12])
    rows = connection.execute("SELECT lead_id, id FROM outbox.event WHERE name = 'lead_submitted'").fetchall()
    paid = connection.execute("SELECT 'stripe', id FROM outbox.event WHERE account_id = '42'").fetchall()
    assert dict(rows + paid) == found["ids"]


# The dispatcher beside a CRM


@pytest.fixture
def crm(tmp_path):
    """A CRM's folder, with modules and packages that have the names of ours and of our dependencies."""
    for name in ("dispatcher", "outbox", "schema", "stripe"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the {name} of the CRM was imported')\n")
    for name in ("alembic", "migrations"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('the {name} of the CRM was imported')\n")
    return tmp_path


@pytest.fixture
def command(installed, crm, empty_database, settings):
    """Run the installed `outbox` in the CRM's folder, which is on PYTHONPATH; return what it printed."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{crm}:",
        "OUTBOX_DATABASE_URL": empty_database,
        "META_CAPI_TOKEN": "test-token",
        "META_CAPI_BASE_URL": settings.of("meta").base_url,
        "GA4_API_SECRET": "test-secret",
        "GA4_MP_BASE_URL": settings.of("ga4").base_url,
    }

    async def run(*arguments):
        program = installed["dispatcher"].outbox
        return await asyncio.to_thread(environments.run, program, *arguments, cwd=crm, env=environment)

    return run


async def test_the_command_runs_in_a_crm_whose_modules_have_the_names_of_ours(command, empty_database):
    assert "Usage: outbox" in await command("--help")
    await command("migrate")
    with psycopg.connect(empty_database) as connection:
        connection.execute("""SELECT outbox.record('{"name": "lead_submitted", "lead_id": "1", "handl_id": "h-1"}')""")
    await command("dispatch", "--drain")
    assert "The schema is current." in await command("doctor")
    with psycopg.connect(empty_database) as connection:
        rows = connection.execute("SELECT outcome, count(*) FROM outbox.receipt GROUP BY 1").fetchall()
    assert rows == [("delivered", 2)]


def test_the_command_of_an_editable_install_runs_there_too(crm):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(crm)}
    assert "Usage: outbox" in environments.run(processes.OUTBOX, "--help", cwd=crm, env=environment)


def test_without_a_database_and_the_embedded_postgresql_the_error_says_what_to_install(installed, tmp_path):
    for arguments in (["doctor"], ["demo", "--once"]):
        done = environments.attempt(
            installed["dispatcher"].outbox, *arguments, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}
        )
        assert (done.returncode, done.stderr) == (1, f"outbox: {embedded_postgres.NOT_INSTALLED}\n")
