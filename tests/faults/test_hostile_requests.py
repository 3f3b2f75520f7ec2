"""Thousands of hostile requests to each port, of real processes: an answer each, none of them 5xx, and nothing is said.

`docs/security.md` has the table of what was tried.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections import Counter

import pytest

from tests.support.hostile import MARKER, PERSON, Hostile
from tests.support.processes import OUTBOX
from tests.support.stripe_events import SECRET, signed
from tests.support.waiting import until

INPUTS = 2_000
"""For each surface."""
AT_ONCE = 8
SECONDS = 10
"""Within which each request is answered, on a busy machine."""
TOKEN = "a-token-of-24-characters"
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")
FORMS = ("/forms/lead-form-ds25", "/forms/demo", "/forms/plain", "/outbox.js")
PAGES = (
    "/", "/events", "/events/1", "/people", "/dead", "/quality", "/destinations", "/sign-in", "/sign-out", "/dead/requeue",
    "/console/console.css", "/healthz",
)  # fmt: skip
DAEMON = ("/healthz", "/readyz", "/metrics", "/", "/sign-in", "/events", "/none")


class Process:
    """A running `outbox` command with a port, and all that it says."""

    def __init__(self, process):
        self.process = process
        self.said = []
        self._readers = [asyncio.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)]

    async def _read(self, stream):
        async for line in stream:
            self.said.append(line.decode("utf-8", "replace"))

    async def address(self):
        await until(lambda: any('"address":' in line for line in self.said) or self.process.returncode is not None)
        line = next(line for line in self.said if '"address":' in line)
        return json.loads(line)["address"].removeprefix("http://").split(":")

    async def send(self, request):
        """Send bytes; give the status and the answer, status 0 if the connection was closed without one."""
        host, port = await self.address()
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            answer = await asyncio.wait_for(_read(reader), SECONDS)
        except ConnectionError:
            answer = b""
        finally:
            writer.close()
        status = STATUS.match(answer)
        return int(status[1]) if status else 0, answer

    async def get(self, path):
        """Give what a page says."""
        request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        )
        return (await self.send(request.encode()))[1].decode()

    async def end(self):
        self.process.terminate()
        code = await asyncio.wait_for(self.process.wait(), 30)
        await asyncio.gather(*self._readers)
        return code


async def _read(reader):
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.fixture
async def start(tmp_path, database_url, settings):
    """Start `outbox serve` or `outbox dispatch` with a port."""
    started = []

    async def start(*arguments):
        environment = {
            "OUTBOX_DATABASE_URL": database_url, "OUTBOX_CONSOLE_TOKEN": TOKEN, "STRIPE_WEBHOOK_SECRET": SECRET,
            "META_CAPI_TOKEN": "t", "META_CAPI_BASE_URL": settings.of("meta").base_url,
            "GA4_API_SECRET": "s", "GA4_MP_BASE_URL": settings.of("ga4").base_url,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            OUTBOX,
            *arguments,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            limit=2**20,
        )
        started.append(Process(process))
        return started[-1]

    yield start
    for one in started:
        if one.process.returncode is None:
            one.process.kill()
            await one.process.wait()


async def bombard(process, requests, *, may_echo=()):
    """Send all requests, a few at a time; give how often each status came. No 5xx, nothing stuck, nothing echoed."""
    statuses = Counter()
    waiting = iter(requests)

    async def work():
        for request in waiting:
            status, answer = await process.send(request)
            statuses[status] += 1
            assert status < 500, (request[:2000], answer[:500], [line for line in process.said if "error" in line])
            body = answer.partition(b"\r\n\r\n")[2]
            assert status in may_echo or MARKER.encode() not in body, (request[:2000], answer[:2000])

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    assert statuses.total() >= INPUTS
    return statuses


async def check_silence(process):
    """See that it goes on, and that neither its metrics nor its log hold a value."""
    assert MARKER not in await process.get("/metrics")
    assert "200 OK" in await process.get("/healthz")
    assert await process.end() == 0
    assert [line for line in process.said if MARKER in line.lower()] == []


async def test_forms(start):
    process, hostile = await start("serve", "--port", "0"), Hostile(1)
    names = (*PERSON, "name", "company", "fb_event_id", "redirect", "_gotcha", "page_url", "fbclid", "handlID")
    statuses = await bombard(
        process,
        (hostile.request(FORMS, names, ("POST", "POST", "OPTIONS", "GET")) for _ in range(INPUTS)),
        may_echo={200},
    )
    assert statuses[204] > INPUTS / 20  # many are taken, so that it is not only the door that is tried
    await check_silence(process)


async def test_stripe(start):
    process, hostile = await start("serve", "--port", "0"), Hostile(2)

    def requests():
        for number in range(INPUTS):
            kind = hostile.one_of("invoice.paid", "checkout.session.completed", "charge.refunded", "customer.updated")
            names = (
                "id",
                "customer",
                "metadata",
                "lines",
                "amount_paid",
                "currency",
                "customer_email",
                "customer_details",
            )
            event = {"id": f"evt_{number}", "object": "event", "type": kind, "created": hostile.one_of(1_790_000_000, hostile.value()),
                     "data": {"object": hostile.some(names)}}  # fmt: skip
            sent = hostile.value() if number % 20 == 0 else event
            payload = json.dumps(sent).encode() if number % 7 else hostile.body(names)[0]
            payload, signature = signed(payload)
            if number % 11 == 0:
                signature = (
                    hostile.text()
                    .encode("ascii", "replace")
                    .decode()
                    .replace("\r", "")
                    .replace("\n", "")
                    .replace("\0", "")
                )
            head = (
                f"POST /stripe/webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(payload)}\r\n"
            )
            yield head.encode() + f"Stripe-Signature: {signature}\r\n\r\n".encode() + payload

    statuses = await bombard(process, requests())
    assert statuses[200] > INPUTS / 3
    await check_silence(process)


async def test_console(start):
    """With the token and without; a page may show to who signed in what they searched for."""
    process, hostile = await start("serve", "--port", "0"), Hostile(3)

    def requests():
        for number in range(INPUTS):
            request = hostile.request(PAGES, ("token", "next", "csrf", "account", "email", "q", "by", "value", "step"))
            if number % 2:
                request = request.replace(
                    b"Connection: close", f"Authorization: Bearer {TOKEN}\r\nConnection: close".encode()
                )
            yield request

    await bombard(process, requests(), may_echo={200})
    await check_silence(process)


async def test_the_port_of_the_daemon(start):
    process, hostile = await start("dispatch", "--port", "0"), Hostile(4)
    while "200 OK" not in await process.get("/readyz"):  # 503 until its worker is there
        await asyncio.sleep(0.1)
    await bombard(process, (hostile.request(DAEMON) for _ in range(INPUTS)))
    await check_silence(process)
