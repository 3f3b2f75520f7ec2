"""One configuration and one database for all tests of `outbox serve`."""

from __future__ import annotations

import psycopg
import pytest

from dispatcher.config import load
from tests.support.form_site import OURS, Log, serving

CONFIG = f"""
[forms.plain]

[forms.thanks]
redirect = "{OURS}/thanks"

[forms.strict]
step = "demo_requested"
content_category = "webinar"
product = "pro"
value = 25
currency = "EUR"
details = {{ series = "spring" }}
required = ["work-mail", "who"]
consent = "may-advertise"
honeypot = "fax"

[forms.strict.fields]
work-mail = "person.email"
who = "person.name"
crm = "lead_id"
machines = "details.machines"
worth = "details.value"
company = "ignore"

[serve]
origins = ["{OURS}", "https://landing.example.com:8443"]
"""


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("serve") / "outbox.toml"
    path.write_text(CONFIG)
    return load(path, {})


@pytest.fixture
async def site(shared_database_url, config):
    """A client of a server."""
    async with serving(shared_database_url, config, phone_region="CY") as site:
        yield site


@pytest.fixture
def log(shared_database_url):
    """The log, emptied."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE outbox.event, outbox.intake, outbox.raw")
        yield Log(connection)
