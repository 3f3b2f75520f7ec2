"""The demo: everything on one machine, as `outbox demo` starts it, through a real browser and automatically."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import aiohttp
import psycopg
import pytest
from playwright.async_api import expect
from rich.cells import cell_len

from dispatcher.database import embedded_postgres
from dispatcher.demo import DemoError, proof, running, search, stack
from dispatcher.demo.panel import PanelState, Recorded
from dispatcher.demo.story import RAW, STEPS, VISITOR, Visit, visit
from dispatcher.sandbox.ledger import NOTHING, Ledger, ParsedEvent

OUTBOX = Path(sys.executable).with_name("outbox")
FREE_PORTS = ("--port", "0", "--sandbox-port", "0", "--console-port", "0")
ARRIVED_BY = "/?fbclid=IwAR0abc_DEF-123&utm_source=facebook&utm_campaign=spring&fb_event_id="
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
PERSON = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "phone": "96 123 456"}
VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error(`violation: ${event.violatedDirective}`));
"""


@pytest.fixture
def folder():
    """An empty folder."""
    with empty_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def home():
    """A folder with a database server that stays between two demos."""
    with empty_folder() as folder, embedded_postgres.running(folder, options={"fsync": "off"}):
        yield folder


@pytest.fixture
async def demo(home):
    """A demo in this process."""
    async with running(home, port=0, sandbox_port=0, console_port=0) as demo:
        yield demo


@pytest.fixture
async def http(demo):
    """A client with a cookie jar, that has opened the landing page."""
    async with aiohttp.ClientSession(demo.site, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await session.get("/")
        yield session


@pytest.fixture
async def command(folder):
    """`outbox demo` in a process of its own, and the two addresses that it printed."""
    process = await asyncio.create_subprocess_exec(
        OUTBOX, "demo", *FREE_PORTS, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        printed = [(await process.stdout.readline()).decode() for _ in range(2)]
        yield process, *(re.search(r"http://127\.0\.0\.1:\d+", line)[0] for line in printed)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


@pytest.fixture(params=[(1280, 860, "light"), (360, 740, "dark")], ids=["desktop", "phone"])
async def context(request, browser):
    """A browser window whose pages must show no error and no policy violation."""
    width, height, scheme = request.param
    context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    errors_shown = []
    context.on("console", lambda message: errors_shown.append(message.text))
    context.on("weberror", lambda error: errors_shown.append(str(error.error)))
    await context.add_init_script(VIOLATIONS)
    yield context
    assert errors_shown == []
    await context.close()


async def test_once_shows_the_whole_way_on_one_screen(folder):
    process = await asyncio.create_subprocess_exec(
        OUTBOX, "demo", "--once", *FREE_PORTS, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = (stream.decode() for stream in await process.communicate())
    assert process.returncode == 0, output + errors
    assert errors == ""
    for step, meta, ga4 in (
        ("lead_submitted", "Lead", "generate_lead"),
        ("account_created", "CompleteRegistration", "sign_up"),
        ("trial_started", "StartTrial", "start_trial"),
        ("email_verified", "EmailVerified", "email_verified"),
        ("subscription_purchased", "Purchase", "purchase"),
    ):
        assert re.search(rf"^{step} +{meta} +{ga4} +[0-9a-f-]{{36}} *$", output, re.MULTILINE)
        assert re.search(rf"^{step} +once\+? *(✅ +){{4}}.* once (✅ *){{5}}$", output, re.MULTILINE)
    assert "❌" not in output
    assert max(map(cell_len, output.splitlines())) <= 100
    assert len(output.splitlines()) <= 40
    assert not [name for name, raw in RAW.items() if raw.lower() in output.lower()]
    assert "demo-token" not in output
    assert processes_of(folder) == []


async def test_a_lead_sent_in_a_browser_is_seen_at_both_destinations(command, context):
    _, site, sandbox = command
    event_id = f"browser-{os.getpid()}"
    page = await context.new_page()
    await page.goto(site + ARRIVED_BY + event_id)
    await expect(page.locator(".nothing")).to_be_visible()
    await page.click("[data-link=hero]")
    await fill(page, **PERSON, country="CY", city="Limassol", postal_code="3036")
    await page.get_by_role("button", name="Request a call").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await expect_arrived(page, "lead_submitted", event_id)

    async with context.expect_page() as opened:
        await page.click("[data-link=sandbox]")
    arrived = await opened.value
    assert arrived.url == sandbox + "/"
    cards = arrived.locator("article", has=arrived.get_by_text(event_id, exact=True))
    await expect(cards).to_have_count(2)
    for title, fields in (
        ("Lead", ("em", "ph", "fn", "ln", "ct", "zp", "country", "external_id", "fbc", "fbp", "client_ip_address")),
        ("generate_lead", ("sha256_email_address", "sha256_phone_number")),
    ):
        card = cards.filter(has=arrived.get_by_role("heading", name=title, exact=True))
        await expect(card.locator(".verdict")).to_have_text("Counted")
        for field in fields:
            await expect(card.locator(f"[data-field='user_data.{field}'] .mark")).to_have_text("✅")

    await page.goto(f"{site}/sign-up")
    await expect(page.locator("#email")).to_have_value(PERSON["email"])
    await page.get_by_role("button", name="Create account").click()
    await page.get_by_role("button", name="Sign in").click()
    await page.click("[data-link=verify]")
    await expect(page.get_by_role("heading", name="Your address is verified")).to_be_visible()
    await page.click("[data-link=purchase]")
    await page.get_by_text("Works", exact=True).click()
    await page.get_by_role("button", name="Buy now").click()
    await expect(page.get_by_role("heading", name="Kerf Works")).to_be_visible()
    for step in STEPS:
        await expect_arrived(page, step)
    for title in ("CompleteRegistration", "StartTrial", "EmailVerified", "Purchase"):
        await expect(arrived.get_by_role("heading", name=title, exact=True)).to_be_visible()


async def test_every_page_fits_its_window(command, context):
    _, site, _ = command
    page = await context.new_page()
    for path in ("/", "/forms/lead-form-ds25", "/forms/conference-form", "/download", "/thank-you", "/sign-up"):
        await page.goto(site + path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_stops_everything_and_leaves_no_process(command, folder, number):
    process, _, _ = command
    assert processes_of(folder)
    for _ in range(3):  # an impatient user
        process.send_signal(number)
    output, errors = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in output + errors
    assert processes_of(folder) == []


async def test_ctrl_c_while_the_database_starts_is_heeded_when_it_is_there(folder):
    process = await asyncio.create_subprocess_exec(
        OUTBOX,
        "demo",
        *FREE_PORTS,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not list(folder.rglob("unfinished-*")):  # the data directory is being made
        await asyncio.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole process group
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert processes_of(folder) == []


async def test_the_lead_and_its_conversion_are_both_there_or_neither_is(demo, http):
    form = {**PERSON, "country": "CY"}
    with psycopg.connect(demo.database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE crm.crm_lead ADD CONSTRAINT broken CHECK (false) NOT VALID")
        assert (await http.post("/forms/lead-form-ds25", data=form)).status == 500
        assert count(connection, "outbox.event") == 0
        connection.execute("ALTER TABLE crm.crm_lead DROP CONSTRAINT broken")
        connection.execute("ALTER FUNCTION outbox.record(jsonb) RENAME TO away")
        assert (await http.post("/forms/lead-form-ds25", data=form)).status == 500
        assert count(connection, "crm.crm_lead") == 0
        connection.execute("ALTER FUNCTION outbox.away(jsonb) RENAME TO record")
        assert (await http.post("/forms/lead-form-ds25", data=form)).status == 200
        assert (count(connection, "outbox.event"), count(connection, "crm.crm_lead")) == (1, 1)


async def test_a_page_that_fails_logs_neither_data_nor_query(demo, http, capfd):
    with psycopg.connect(demo.database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE crm.crm_lead CASCADE")
    answer = await http.post("/forms/lead-form-ds25?fbp=fb.1.1.2", data={**PERSON, "country": "CY"})
    assert answer.status == 500
    written = "".join(capfd.readouterr())
    assert "a page failed" in written
    for raw in (*PERSON.values(), "fb.1.1.2"):
        assert raw not in written + await answer.text()


async def test_a_later_sign_in_is_recorded_and_sent_to_no_destination(demo, http):
    await http.post("/sign-up", data={**PERSON, "country": "CY"})
    for _ in range(2):
        await http.post("/sign-in", data={"email": PERSON["email"].upper()})
        await http.post("/sign-out")
    seen = await recorded(http, 3)
    assert [one["step"] for one in seen] == ["signed_in", "trial_started", "account_created"]
    assert {(one["destination"], one["state"]) for one in seen[0]["states"]} == {
        ("meta", "skipped"),
        ("ga4", "skipped"),
    }
    assert {arrival.event_name for arrival in demo.sandbox.ledger.arrivals if arrival.destination == "meta"} == {
        "StartTrial",
        "CompleteRegistration",
    }


async def test_forms_that_are_the_same_event_at_meta_do_not_share_an_event_id(demo, http):
    landing = await (await http.get(ARRIVED_BY + "shared")).text()
    links = dict(re.findall(r'href="([^"]*)" data-link="(hero|trial|conference)"', landing))
    assert len(links) == 3
    person = {**PERSON, "country": "CY", "content_category": "dealer"}
    for address in links:
        assert (await http.post(address.replace("&amp;", "&"), data=person)).status == 200
    seen = await recorded(http, 3)
    assert len({one["event_id"] for one in seen}) == 3
    leads = [one for one in demo.sandbox.ledger.arrivals if one.destination == "meta"]
    assert [(one.event_name, one.verdict) for one in leads] == [("Lead", "counted")] * 3


async def test_what_was_typed_is_shown_as_text(demo, browser):
    page = await browser.new_page(base_url=demo.site)
    await page.goto("/sign-up")
    await fill(page, **{**PERSON, "first_name": HOSTILE}, country="CY")
    await page.get_by_role("button", name="Create account").click()
    await page.get_by_role("button", name="Sign in").click()
    assert await page.get_by_role("heading", level=1).inner_text() == f"Hello, {HOSTILE}"
    assert await page.locator("main img").count() == 0
    await page.close()


async def test_an_invalid_form_shows_errors_keeps_what_was_typed_and_records_nothing(demo, http):
    answer = await http.post("/forms/lead-form-ds25", data={**PERSON, "email": "nonsense", "country": "XX"})
    text = await answer.text()
    assert answer.status == 422
    assert "This does not look like an e-mail address." in text
    assert "Please choose from the list." in text
    assert 'value="nonsense"' in text
    assert (await http.get("/nowhere")).status == 404
    assert (await http.get("/verify?token=guessed")).status == 404
    with psycopg.connect(demo.database_url) as connection:
        assert (count(connection, "outbox.event"), count(connection, "crm.crm_lead")) == (0, 0)


async def test_demos_side_by_side_deliver_only_their_own(folder):
    async with (
        running(folder, port=0, sandbox_port=0, console_port=0) as one,
        running(folder, port=0, sandbox_port=0, console_port=0) as other,
    ):
        visits = await asyncio.gather(visit(one.site), visit(other.site))
        for demo, seen in zip((one, other), visits, strict=True):
            proofs = await proof.arrived(demo.sandbox.ledger, seen)
            assert list(proof.problems(seen, proofs, demo.sandbox.ledger)) == []
    assert processes_of(folder) == []


async def test_the_search_finds_what_must_not_be_there(demo):
    await visit(demo.site)
    needles = {**RAW, "META_CAPI_TOKEN": demo.settings.of("meta").token.reveal()}
    found, places = await search.leaks(demo.database_url, demo.sandbox.url, "", needles)
    assert found == []
    assert places > 10
    with psycopg.connect(demo.database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT outbox.record(%s)", (f'{{"name": "lead_submitted", "lead_id": "{VISITOR["phone"]}"}}',)
        )
    log = f"token={needles['META_CAPI_TOKEN']}"
    found, _ = await search.leaks(demo.database_url, demo.sandbox.url, log, needles)
    assert "META_CAPI_TOKEN is in the demo's log." in found
    assert "The phone number is in outbox.event." in found


async def test_the_proof_reports_what_is_missing_duplicated_or_wrong():
    ledger = Ledger()
    seen = Visit("shared", [Recorded(1, "lead_submitted", "other", [PanelState("meta", "pending", "", "")])])
    request = ledger.open("meta", "pixel", 0.0, "")
    lead = ParsedEvent("Lead", "other", NOTHING, repeat_seconds=48 * 3600)
    ledger.record(request, [lead, lead], NOTHING)
    assert "at meta" not in "\n".join(proof.problems(seen, proof.proofs(ledger, seen), ledger))  # a re-send is allowed
    ledger.record(ledger.open("meta", "pixel", 49 * 3600.0, ""), [lead], NOTHING)
    request = ledger.open("ga4", "stream", 0.0, "")
    ledger.record(
        request,
        [ParsedEvent("generate_lead", "other", NOTHING), ParsedEvent("generate_lead", "other", NOTHING)],
        NOTHING,
    )
    sentences = "\n".join(proof.problems(seen, proof.proofs(ledger, seen), ledger))
    assert "The log holds lead_submitted of this visit" in sentences
    assert "The lead does not carry the event_id of the landing page." in sentences
    assert "lead_submitted at meta: counted 2 times instead of once." in sentences
    assert "lead_submitted at ga4: counted 2 times instead of once." in sentences
    assert "The sandbox counted 4 events where 2 were expected." in sentences
    missing = "\n".join(proof.problems(seen, proof.proofs(Ledger(), seen), Ledger()))
    assert "lead_submitted at meta: counted 0 times instead of once." in missing


def test_a_port_in_use_is_replaced_only_if_it_was_not_requested():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert stack.choose_port("127.0.0.1", None, port, "--port") == 0
        with pytest.raises(DemoError, match=f"port {port}; choose another with --port"):
            stack.choose_port("127.0.0.1", port, 0, "--port")
    assert stack.choose_port("127.0.0.1", None, port, "--port") == port


@contextlib.contextmanager
def empty_folder():
    folder = Path(tempfile.mkdtemp(prefix="outbox-demo-"))
    folder.chmod(0o755)  # the database may run under another account
    yield folder
    shutil.rmtree(folder)


async def fill(page, *, country, **texts):
    for name, text in texts.items():
        await page.fill(f"#{name}", text)
    await page.select_option("#country", country)


async def expect_arrived(page, step, event_id=None):
    """The panel updates without the page being reloaded."""
    row = page.locator("#recorded li", has=page.get_by_text(step, exact=True))
    if event_id:
        await expect(row.locator(".id")).to_have_text(event_id)
    for destination in ("meta", "ga4"):
        await expect(row.locator(f"[data-destination={destination}]")).to_contain_text("arrived")


async def recorded(http, number):
    """Return the content of the panel once it has `number` conversions and none is pending."""
    while True:
        seen = await (await http.get("/recorded")).json()
        if len(seen) == number and all(state["state"] != "pending" for one in seen for state in one["states"]):
            return seen
        await asyncio.sleep(0.02)


def count(connection, table):
    return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def processes_of(folder):
    """Return the processes whose command line names a folder, such as that of a data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
    return found
