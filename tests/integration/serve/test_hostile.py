"""Every request gets a response, within limits, and no personal data is logged."""

from __future__ import annotations

import asyncio
import json
import random
from time import process_time

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.serve import body
from tests.support.form_site import LEAD, multipart
from tests.support.strategies import json_values, wild_text


def bomb(kind):
    """Bodies that no form sends: (content type, body, expected statuses)."""
    nested = b"[" * 30_000 + b"]" * 30_000
    many = 3000
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    return {
        "deep JSON": ("application/json", b'{"a":' + nested + b"}", {400}),
        "JSON cut short": ("application/json", b'{"email": "a', {400}),
        "no JSON": ("application/json", b"\xff\xfe", {400}),
        "a JSON list": ("application/json", b"[1]", {400}),
        "a JSON text": ("application/json", b'"email"', {400}),
        "nested JSON": ("application/json", b'{"email": {"a": 1}}', {422}),
        "a nested list": ("application/json", b'{"email": [["a"]]}', {422}),
        "a lone surrogate": ("application/json", b'{"email": "\\ud800@example.com", "company": "\\udfff"}', {200, 400}),
        "a NUL": ("application/json", b'{"first_name": "A\\u0000da", "company": "\\u0000"}', {200}),
        "large numbers": ("application/json", b'{"phone": ' + b"9" * 5000 + b', "company": 1e308}', {200, 400}),
        "many names": ("application/json", json.dumps({f"f{n}": 1 for n in range(many)}).encode(), {400}),
        "a long list": ("application/json", json.dumps({"a": [1] * many}).encode(), {400}),
        "many fields": ("application/x-www-form-urlencoded", b"a=1&" * many, {400}),
        "percent signs": ("application/x-www-form-urlencoded", b"email=%&first_name=%zz%00%ff&%00=1", {204}),
        "no text": ("application/x-www-form-urlencoded", bytes(range(256)), {204}),
        "many parts": ("multipart/form-data; boundary=b", part * many + b"--b--", {400, 413}),
        "no boundary": ("multipart/form-data", part, {400}),
        "an empty boundary": ('multipart/form-data; boundary=""', part, {400}),
        "a boundary that is none": ("multipart/form-data; boundary=c", part, {400}),
        "cut short": ("multipart/form-data; boundary=b", part, {400}),
        "nameless": ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\nx\r\n--b--", {204}),
        "parts in parts": (
            "multipart/form-data; boundary=b",
            b"".join(b"--b\r\nContent-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(150))
            + b"--b--",
            {204, 400},
        ),
        "a codec": ("application/x-www-form-urlencoded; charset=zlib_codec", b"a=1", {415}),
        "another charset": ("application/json; charset=utf-16", '{"a":1}'.encode("utf-16"), {415}),
        "another type": ("text/plain", b'{"email": "a@example.com"}', {415}),
        "no type": ("", b"email=a", {415}),
        "no type that is one": ("\xe9;;;=", b"email=a", {415}),
    }[kind]


BOMBS = (
    "deep JSON", "JSON cut short", "no JSON", "a JSON list", "a JSON text", "nested JSON", "a nested list",
    "a lone surrogate", "a NUL", "large numbers", "many names", "a long list", "many fields", "percent signs", "no text",
    "many parts", "no boundary", "an empty boundary", "a boundary that is none", "cut short", "nameless", "parts in parts",
    "a codec", "another charset", "another type", "no type", "no type that is one",
)  # fmt: skip


@pytest.mark.parametrize("kind", BOMBS)
async def test_every_body_gets_a_response(site, log, kind):
    content_type, sent, expected = bomb(kind)
    headers = {"Content-Type": content_type} if content_type else {}
    async with site.http.post("/forms/plain", data=sent, headers=headers, skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status in expected
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(log.events()) == (answer.status < 300)
    assert (await site.post("demo", data=LEAD))[0] == 204  # and the server still works


async def test_a_body_is_accepted_up_to_64_kb(site, log):
    fits = b"email=ada@example.com&note="
    fits += b"x" * (body.MAX_BODY - len(fits))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await site.post("plain", data=fits, headers=headers))[0] == 204
    assert (await site.post("plain", data=fits + b"x", headers=headers))[0] == 413
    assert len(log.events()) == 1


@pytest.mark.parametrize("path", ["/forms/plain", "/sign-in", "/stripe/webhook", "/none"])
@pytest.mark.parametrize("header", ["Content-Type", "Origin"])
async def test_a_header_that_is_absurdly_long_is_refused_before_it_is_parsed(site, path, header):
    """aiohttp parses 10 kB of this `Content-Type` for ten seconds."""
    async with site.http.post(path, data=b"a=1", headers={header: ';"' * 5_000}) as answer:
        assert answer.status == 431
        assert await answer.json() == {"error": f"the header {header} is longer than 256 bytes"}


@pytest.mark.parametrize("email", ["a@" + "." * 60_000 + "@", "." * 60_000 + "@", "a@" * 16_000, "a" * 60_000])
async def test_a_required_address_of_64_kb_is_refused_at_once(site, email):
    """The first stopped the whole server for a minute."""
    began = process_time()
    sent = {"work-mail": email, "who": "Ada"}
    status, _, answer = await site.post("strict", data=sent)
    assert (status, answer["fields"]) == (422, {"work-mail": "not an e-mail address"})
    assert process_time() - began < 2


async def test_ten_megabytes_are_not_read(site, log):
    head = b"POST /forms/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = await site.raw(head + b"Content-Length: 10485760\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 413")
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = await site.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 4)
    assert answer.startswith(b"HTTP/1.1 413")
    assert log.events() == []


async def test_a_body_that_never_arrives_times_out(site, monkeypatch):
    monkeypatch.setattr(body, "READ_SECONDS", 0.1)
    answer = await site.raw(
        b"POST /forms/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_compressed_body_is_not_unpacked(site):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert (await site.post("plain", data=b"\x1f\x8b", headers=headers))[0] == 415


async def test_files_are_refused_but_an_empty_file_field_is_fine(site, log):
    picture = {"name": "cv", "value": b"%PDF", "filename": "cv.pdf", "content_type": "application/pdf"}
    status, _, answer = await site.post("plain", data=multipart(("email", "ada@example.com"), picture))
    assert (status, answer["fields"]) == (415, {"cv": "is a file"})
    assert log.events() == []
    nothing = {"name": "cv", "value": b"", "filename": "", "content_type": "application/octet-stream"}
    assert (await site.post("plain", data=multipart(("email", "ada@example.com"), nothing)))[0] == 204
    assert len(log.events()) == 1


async def test_a_lead_with_many_cookies_is_recorded(site, log):
    cookies = "; ".join(f"c{n}={'x' * 90}" for n in range(200)) + "; _fbp=fb.1.1700000000000.123"
    assert (await site.post("plain", data=LEAD, headers={"Cookie": cookies}))[0] == 204
    assert log.events("visitor")[0]["fbp"] == "fb.1.1700000000000.123"


@pytest.mark.parametrize(
    "line",
    [
        b"Origin: https://www.example.com\rX-Evil: 1",
        b"Origin: https://www.example.com\nX-Evil: 1",
        b"Origin: \xff\xfe",
        b"Origin: \x00",
    ],
)
async def test_a_header_is_never_reflected(site, line):
    request = (
        b"POST /forms/plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n"
    )
    head = (await site.raw(request)).partition(b"\r\n\r\n")[0].lower()
    assert b"x-evil" not in head


values = st.one_of(wild_text, json_values)
pairs = st.lists(
    st.tuples(st.one_of(st.sampled_from(["email", "name", "phone", "fb_event_id", "redirect"]), wild_text), values)
)


@pytest.mark.usefixtures("log")
async def test_random_input_never_causes_an_error(site):
    """Hypothesis generates the input; the server and its event loop stay the same for all examples."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(pairs, st.sampled_from(["json", "urlencoded", "bytes"]), st.binary(max_size=200))
    def check(fields, kind, junk):
        if kind == "json":
            data, content_type = (
                json.dumps(dict(fields), default=str).encode("utf-8", "surrogatepass"),
                "application/json",
            )
        elif kind == "urlencoded":
            text = "&".join(f"{name}={value}" for name, value in fields)
            data, content_type = text.encode("utf-8", "surrogatepass"), "application/x-www-form-urlencoded"
        else:
            data, content_type = junk, random.choice(["application/json", "multipart/form-data; boundary=x"])

        async def send():
            async with site.http.post(
                "/forms/plain", data=data, headers={"Content-Type": content_type}, allow_redirects=False
            ) as answer:
                return answer.status

        assert asyncio.run_coroutine_threadsafe(send(), loop).result(20) in {200, 204, 303, 400, 415, 422}

    await asyncio.to_thread(check)


@pytest.mark.usefixtures("log")
async def test_no_personal_data_is_logged(site, capfd):
    secret = {
        "email": "ada.secret@example.com", "name": "Secret Name", "phone": "+442079460958", "company": "Secret Ltd",
        "fb_event_id": "secret-id", "redirect": "https://secret.example", "_gotcha": "",
    }  # fmt: skip
    headers = {
        "User-Agent": "Secret-Agent", "Referer": "https://secret.example/?email=ada.secret@example.com",
        "Cookie": "_fbp=fb.1.1700000000000.5ec2e7", "X-Forwarded-For": "203.0.113.77",
    }  # fmt: skip
    with structlog.testing.capture_logs() as logs:
        await site.post("plain?token=secret", data=secret, headers=headers)
        await site.post("secret-form", data=secret, headers=headers)
        await site.post("strict", json={"work-mail": "secret"}, headers=headers | {"Origin": "https://secret.example"})
        await site.post("plain", json={"secret": {}}, headers=headers)
        await site.raw(b"GET /secret HTTP/9.9\r\nSecret\r\n\r\n")
    output = str(logs) + "".join(capfd.readouterr())
    assert [line["status"] for line in logs if line["event"] == "request"] == [204, 404, 403, 422]
    assert "ecret" not in output
    for value in ("ada", "203.0.113", "127.0.0.1", "7946", "5ec2e7"):
        assert value not in output


async def test_an_internal_error_gets_a_500_and_only_its_type_is_logged(site, monkeypatch):
    def broken(*_):
        raise RuntimeError("pa55 of somebody")

    monkeypatch.setattr("dispatcher.serve.forms.understand", broken)
    with structlog.testing.capture_logs() as logs:
        status, _, answer = await site.post("plain", data=LEAD)
    assert (status, set(answer)) == (500, {"error"})
    assert "pa55" not in str(logs) + str(answer)
    assert any(line.get("error") == "RuntimeError" for line in logs)
