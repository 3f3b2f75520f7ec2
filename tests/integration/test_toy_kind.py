"""A third kind of destination, from a package of its own: from `outbox.toml` to the sandbox's page, with no edit elsewhere.

The package is `tests/support/toy_kind`; it is installed beside this repository, and every command below is a real process.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import processes
from tests.support.toy_installation import Installation
from tests.support.waiting import wait_until

TOML = """
[destinations.toy]
kind = "toy"
account_id = "T-7"
key_env = "OUR_TOY_KEY"
"""
KEY = "a-key-of-ours"
RECEIPTS = """
    SELECT destination.name FROM outbox.receipt JOIN outbox.destination ON id = destination
    JOIN outbox.event ON event.id = receipt.event_id WHERE event.event_id = %s
"""
HALTED = """
    SELECT DISTINCT reason FROM outbox.destination_state JOIN outbox.destination ON id = destination
    WHERE name = 'toy' AND state = 'halted'
"""
EVENT = {
    "name": "lead_submitted",
    "event_id": "first",
    "lead_id": "L1",
    "person": {"email": "ada@example.com"},
    "visitor": {"fbp": "fb.1.1700000000000.123456"},
    "details": {"value": 5, "currency": "EUR", "form": "contact", "note": "Call Ada"},
}


@dataclass
class World:
    """The toy kind, installed; a database, and a sandbox. One event was delivered everywhere."""

    installation: Installation
    folder: Path
    environment: dict[str, str]
    sandbox: str
    log: psycopg.Connection
    migrated: str = ""
    number: int = 0

    def outbox(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.installation.outbox(*arguments, cwd=self.folder, **self.environment | more)

    def json(self, *arguments: str, **more: str) -> Any:
        """Return what a command prints in JSON."""
        return self.installation.json(*arguments, cwd=self.folder, **self.environment | more)

    def record(self, event_id: str) -> int:
        """Record an event, as the CRM."""
        ((number,),) = self.log.execute("SELECT outbox.record(%s)", (json.dumps(EVENT | {"event_id": event_id}),))
        return number


@pytest.fixture(scope="module")
def world(tmp_path_factory, shared_database_url):
    """Migrate, record and deliver with a destination of the toy kind."""
    folder = tmp_path_factory.mktemp("folder")
    (folder / "outbox.toml").write_text(TOML)
    installation = Installation(tmp_path_factory.mktemp("toy") / "venv")
    with (
        installation.running("sandbox", "--port", "0", cwd=folder) as lines,
        psycopg.connect(shared_database_url, autocommit=True) as log,
    ):
        wait_until(lambda: lines)
        assert lines[0].startswith("Sandbox of Meta and GA4 and Toy: ")
        sandbox = lines[0].rpartition(" ")[2].strip()
        environment = {
            "OUTBOX_DATABASE_URL": shared_database_url,
            "OUR_TOY_KEY": KEY,
            "TOY_ADS_URL": sandbox,
            "TOY_CONTRACT_ENDS": f"{datetime.now(UTC).date() + timedelta(days=3)}",
            "META_CAPI_TOKEN": "token",
            "META_CAPI_BASE_URL": sandbox,
            "GA4_API_SECRET": "secret",
            "GA4_MP_BASE_URL": sandbox,
            "OUTBOX_LEASE_SECONDS": "5",
        }
        made = World(installation, folder, environment, sandbox, log)
        done = made.outbox("migrate")
        assert done.returncode == 0, done.stderr
        made.migrated = done.stdout
        made.number = made.record("first")
        done = made.outbox("dispatch", "--drain")
        assert done.returncode == 0, done.stderr
        yield made


def read(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


def test_outbox_toml_takes_its_table_and_refuses_its_mistakes(world):
    path = world.folder / "wrong.toml"
    mistakes = {
        'account_id = "shelf"': "destinations.toy.account_id: expected the account's number, such as T-1",
        'key_env = "not a name"': "destinations.toy.key_env: expected the name of an environment variable, such as TOY_",
        'pixel_id = "1"': "destinations.toy.pixel_id: unknown; expected kind, like, account_id or key_env",
    }
    for mistake, sentence in mistakes.items():
        path.write_text(f'[destinations.toy]\nkind = "toy"\n{mistake}\n')
        done = world.outbox("migrate", OUTBOX_CONFIG=str(path))
        assert done.returncode == 2
        assert sentence in done.stderr
    path.write_text(TOML + '[steps.won]\nto.toy = "won"\nparameters = { password = "x" }\n')
    done = world.outbox("migrate", OUTBOX_CONFIG=str(path))
    assert "steps.won.to.toy: Toy's names begin with toy_" in done.stderr
    assert "steps.won.parameters.password: Toy has a password of its own" in done.stderr
    done = world.outbox("migrate", TOY_ACCOUNT_ID="shelf")
    assert "TOY_ACCOUNT_ID: expected the account's number, such as T-1" in done.stderr


def test_migrate_writes_its_destination_and_its_default_routes(world):
    assert "funnel: destination toy: toy is new" in world.migrated
    routes = world.log.execute(
        "SELECT step, event_name FROM outbox.route JOIN outbox.destination ON id = destination WHERE name = 'toy'"
    ).fetchall()
    assert set(routes) == {("lead_submitted", "toy_lead"), ("subscription_purchased", "toy_sale")}


def test_a_dispatcher_delivers_to_it_and_keeps_a_receipt(world):
    outcomes = world.log.execute(
        "SELECT name, outcome FROM outbox.receipt JOIN outbox.destination ON id = destination WHERE event_id = %s",
        (world.number,),
    ).fetchall()
    assert set(outcomes) == {("meta", "delivered"), ("ga4", "delivered"), ("toy", "delivered")}
    (arrival,) = json.loads(read(f"{world.sandbox}/ledger?destination=toy"))["toy"]
    assert (arrival["target"], arrival["event_name"], arrival["verdict"]) == ("T-7", "toy_lead", "counted")
    assert len(arrival["payload"]["who"]["mail"][0]) == 64


def test_preview_shows_what_it_gets_and_where_from_and_hides_what_it_should(world):
    (event,) = world.json("preview", str(world.number))
    (there,) = (each for each in event["destinations"] if each["destination"] == "toy")
    fields = {field["name"]: field for field in there["fields"]}
    assert fields["who.mail"]["source"] == "this event (shown in part)"
    assert fields["action"]["source"] == "configuration"
    assert (fields["ref"]["value"], fields["ref"]["source"]) == ("first", "this event")
    assert fields["who.kid"]["value"].endswith("…")
    assert (fields["what.form"]["value"], fields["what.note"]["value"]) == ("contact", "…")
    assert fields["what.worth"]["source"] == "this event"


def test_doctor_checks_it_by_its_own_variables(world):
    found = {finding["check"]: finding for finding in world.json("doctor")}
    assert found["toy: secret"]["says"] == "OUR_TOY_KEY is set."
    assert found["toy: shelf"]["says"] == "Everything goes to shelf T-7."
    assert "GA4_MP_BASE_URL and META_CAPI_BASE_URL and TOY_ADS_URL point to a stand-in" in found["addresses"]["says"]
    bare = {
        finding["check"]: finding for finding in world.json("doctor", OUR_TOY_KEY="", OUTBOX_CONSENT_DEFAULT="denied")
    }
    assert bare["toy: secret"]["says"].startswith("OUR_TOY_KEY is not set: toy is halted.")
    assert bare["consent"]["says"].endswith("GA4 gets events without identity and Toy gets a wooden horse.")


def test_doctor_live_asks_it_and_nobody_else_in_its_name(world):
    before = json.loads(read(f"{world.sandbox}/ledger/summary"))
    found = [(finding["check"], finding["severity"], finding["says"]) for finding in world.json("doctor", "--live")]
    assert ("toy: live", "ok", "Toy knows the shelf and the key.") in found
    assert any(check == "toy: clock" for check, *_ in found)
    refused = [
        (finding["severity"], finding["says"], finding["do"])
        for finding in world.json("doctor", "--live", OUR_TOY_KEY="")
        if finding["check"] == "toy: live"
    ]
    assert refused == [("error", "Toy answers 401.", "Check OUR_TOY_KEY.")]
    assert json.loads(read(f"{world.sandbox}/ledger/summary")) == before


def test_listing_and_report_have_it(world):
    (toy,) = (each for each in world.json("destination", "list") if each["name"] == "toy")
    assert (toy["kind"], toy["missing"]) == ("toy", None)
    (without,) = (each for each in world.json("destination", "list", OUR_TOY_KEY="") if each["name"] == "toy")
    assert without["missing"] == "OUR_TOY_KEY"
    report = world.json("report")
    assert report["explanation"].endswith("Toy counts with its fingers.")
    (line,) = (each for each in report["report"]["lines"] if each["quality"]["kind"] == "toy")
    assert (line["quality"]["estimate"], line["own_score"]) == (10.0, 6.5)


def test_its_secret_is_its_own(world):
    done = world.outbox("doctor", GA4_API_SECRET="")
    assert "GA4_API_SECRET is not set: ga4 is halted" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_without_its_package_it_waits_and_nothing_else_does(world):
    """The same database, served by a dispatcher that has never heard of the kind."""
    world.record("third")
    without = processes.Dispatcher(world.environment, "--port", "0")
    try:
        wait_until(lambda: {name for (name,) in world.log.execute(RECEIPTS, ("third",))} == {"meta", "ga4"})
        wait_until(lambda: "toy" in json.dumps(without.health("/readyz")[1]["reasons"]))
        missing = "the package for destinations of kind toy is not set"
        wait_until(lambda: world.log.execute(HALTED).fetchall() == [(missing,)])
    finally:
        without.kill()


@pytest.fixture(scope="module")
def halted(world):
    """The address of a dispatcher whose toy destination has been halted, and what it logs."""
    plan = json.dumps({"toy": {"rates": {"key_lost": 1.0}}}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{world.sandbox}/faults", plan, method="PUT"), timeout=10).close()
    world.record("second")
    with world.installation.running("dispatch", "--port", "0", cwd=world.folder, **world.environment) as lines:
        wait_until(lambda: any("metrics are served" in line for line in lines), 40)
        address = json.loads(next(line for line in lines if "metrics are served" in line))["address"]
        wait_until(lambda: any("toy is halted" in text for text in alerts(lines)), 60)
        yield address, lines
    urllib.request.urlopen(urllib.request.Request(f"{world.sandbox}/faults", method="DELETE"), timeout=10).close()


def alerts(lines):
    """Return the texts of the alerts in a log."""
    return [line["text"] for line in map(json.loads, list(lines)) if line["event"] == "alert"]


def test_alerts_name_its_variable_and_its_deadline(halted):
    _, lines = halted
    (text,) = (text for text in alerts(lines) if "toy is halted" in text)
    assert text.startswith("toy is halted: toy key refused.")
    assert text.endswith("Put another key in OUR_TOY_KEY.")
    wait_until(lambda: any("the contract with Toy ends on" in text for text in alerts(lines)))
    assert any(text.endswith("in 3 days: renew it.") for text in alerts(lines))


def test_the_console_shows_it(world, halted):
    address, _ = halted
    overview = text_of(read(f"{address}/"))
    assert "Toy is halted" in overview
    assert "Toy does not know the key." in overview or "toy does not know the key." in overview
    assert "Put another key in OUR_TOY_KEY." in overview
    assert "toy lead" not in overview
    assert re.search(r"Toy .*lead submitted", text_of(read(f"{address}/destinations")))
    event = text_of(read(f"{address}/events/{world.number}"))
    assert "Delivered to Toy" in event
    assert "Toy" in event
    quality = text_of(read(f"{address}/quality"))
    assert "Toy toy_lead" in quality
    assert re.search("6.5 of 10, Toy.s own", quality)
    assert "Mail 100 % Kid 100 %" in quality
    assert "Toy counts with its fingers." in quality


def test_metrics_and_readiness_have_it(halted):
    address, _ = halted
    metrics = read(f"{address}/metrics")
    assert 'outbox_destination_state{destination="toy",state="halted"} 1.0' in metrics
    assert 'outbox_match_coverage_ratio{destination="toy",event_name="toy_lead",field="mail"} 1.0' in metrics
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(f"{address}/readyz")
    with caught.value as answer:
        assert "toy" in answer.read().decode()


def test_the_sandbox_s_page_shows_what_arrived_and_how_to_point_there(world):
    page = text_of(read(f"{world.sandbox}/?destination=toy"))
    assert "Stands in for Meta, GA4 and Toy." in page
    assert "Toy Toy Ads" in page
    assert "Shelf T-7" in page
    assert "Who plays 3 of 3" in page


def test_the_demo_delivers_to_it_too(world, tmp_path):
    done = world.installation.outbox("demo", "--once", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "at Toy" in done.stdout
    assert "arrived at Meta and at GA4 and at Toy, each counted exactly once" in done.stdout
    assert "ml kd                 Toy's mail and kid" in done.stdout


def text_of(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).replace("&#39;", "'").split())
