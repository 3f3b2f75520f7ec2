"""The sandbox over HTTP, as a dispatcher, a test or the demo uses it."""

import asyncio
import gzip
import io
import json
import os
import signal
import sys
from collections import Counter
from hashlib import sha256
from zlib import crc32

import aiohttp
import pytest

from dispatcher.sandbox import Accepted, running
from tests.support.paths import ROOT

NOW = 1_790_000_000.0
HOUR = 3600
META = "/v25.0/1530042020969436/events"
PROBE = "/v25.0/1530042020969436?fields=id"
GA4 = "/mp/collect?measurement_id=G-XLHMXGR17M&api_secret=ga4-secret"
BEARER = {"Authorization": "Bearer meta-token"}
DIGEST = sha256(b"someone@example.com").hexdigest()


class Clock:
    """A clock that tests can move."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def sandbox(clock):
    async with running(clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def http(sandbox):
    async with aiohttp.ClientSession(sandbox.url, headers=BEARER) as session:
        yield session


def lead(event_id="e-1", **changes):
    return {
        "event_name": "Lead",
        "event_time": int(NOW) - 60,
        "event_id": event_id,
        "action_source": "website",
        "event_source_url": "https://encycam.com/lead",
        "user_data": {"em": [DIGEST], "client_user_agent": "Mozilla/5.0"},
        **changes,
    }


def hit(event_id="e-1", name="generate_lead", **params):
    return {"client_id": "1.2", "events": [{"name": name, "params": {"event_id": event_id, **params}}]}


async def post(http, path, content, **options):
    async with http.post(path, json=content, **options) as response:
        return response.status, await response.read()


async def meta(http, *events, **options):
    status, content = await post(http, META, {"data": list(events)}, **options)
    return status, json.loads(content)


async def get(http, path):
    async with http.get(path) as response:
        return response.status, await response.json()


async def lines(http, path):
    async with http.get(path) as response:
        return [tuple(json.loads(line)) for line in (await response.text()).splitlines()]


async def plan(http, **plans):
    async with http.put("/faults", json=plans) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


def verdicts(sandbox):
    return [arrival.verdict for arrival in sandbox.ledger.arrivals]


# --- Meta -------------------------------------------------------------------------------------------------------------


async def test_meta_accepts_valid_events_and_returns_their_number(http, sandbox):
    status, answer = await meta(http, lead("a"), lead("b"))
    assert status == 200
    assert answer.pop("fbtrace_id")
    assert answer == {"events_received": 2, "messages": []}
    assert verdicts(sandbox) == ["counted", "counted"]


@pytest.mark.parametrize(("hours", "expected"), [(47 + 59 / 60, "duplicate"), (48 + 1 / 60, "counted")])
async def test_meta_drops_a_repeat_within_48_hours_of_the_first_and_counts_it_again_after(
    http, sandbox, clock, hours, expected
):
    await meta(http, lead())
    clock.now += 24 * HOUR
    await meta(http, lead())  # a dropped repeat does not prolong the window
    clock.now = NOW + hours * HOUR
    await meta(http, lead())
    assert verdicts(sandbox) == ["counted", "duplicate", expected]


async def test_meta_deduplicates_by_name_and_id_and_pixel(http, sandbox):
    await meta(http, lead("a"), lead("a"), lead("a", event_name="Contact"), lead("b"))
    await post(http, "/v25.0/999/events", {"data": [lead("a")]})
    assert verdicts(sandbox) == ["counted", "duplicate", "counted", "counted", "counted"]
    without_id = lead()
    del without_id["event_id"]
    await meta(http, without_id, without_id)
    assert verdicts(sandbox)[-2:] == ["counted", "counted"]


async def test_meta_refuses_a_whole_request_for_one_bad_event(http, sandbox):
    status, answer = await meta(http, lead("good"), lead("old", event_time=int(NOW) - 8 * 24 * HOUR))
    error = answer["error"]
    assert (status, error["code"], error["error_subcode"], error["is_transient"]) == (400, 100, 2804003, False)
    assert "data[1].event_time" in error["error_user_msg"]
    assert [(one.event_id, one.verdict) for one in sandbox.ledger.arrivals] == [("old", "invalid")]
    await meta(http, lead("good"))
    assert verdicts(sandbox) == ["invalid", "counted"]


@pytest.mark.parametrize("where", ["header", "query", "body"])
async def test_the_token_is_accepted_wherever_it_is_documented(clock, where):
    content = {"data": [lead()]}
    path, headers = META, {}
    if where == "header":
        headers = {"Authorization": "Bearer right"}
    elif where == "query":
        path += "?access_token=right"
    else:
        content["access_token"] = "right"
    async with (
        running(clock=clock, accepted={"meta": Accepted(secret="right")}) as sandbox,
        aiohttp.ClientSession(sandbox.url) as http,
    ):
        assert (await post(http, path, content, headers=headers))[0] == 200
        assert b"right" not in await (await http.get("/ledger")).read()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}])
async def test_a_bad_token_answers_190_to_events_and_to_probes(clock, headers):
    async with (
        running(clock=clock, accepted={"meta": Accepted(secret="right")}) as sandbox,
        aiohttp.ClientSession(sandbox.url, headers=headers) as http,
    ):
        status, answer = await meta(http, lead())
        assert (status, answer["error"]["code"], answer["error"]["type"]) == (401, 190, "OAuthException")
        status, answer = await get(http, PROBE)
        assert (status, answer["error"]["code"]) == (401, 190)
        assert [one.kind for one in sandbox.ledger.arrivals] == ["request"]


async def test_an_unknown_pixel_answers_100_33_and_a_known_one_its_id(clock):
    async with (
        running(clock=clock, accepted={"meta": Accepted(ids={"7"})}) as sandbox,
        aiohttp.ClientSession(sandbox.url, headers=BEARER) as http,
    ):
        for status, answer in (await meta(http, lead()), await get(http, PROBE)):
            error = answer["error"]
            assert (status, error["code"], error["error_subcode"]) == (400, 100, 33)
        assert await get(http, "/v25.0/7?fields=id") == (200, {"id": "7"})


async def test_an_api_version_dies_on_its_day(http, clock):
    clock.now = 1_810_771_200 - 1  # v22.0 ends on 2027-05-20
    path = "/v22.0/1530042020969436?fields=id"
    assert (await get(http, path))[0] == 200
    clock.now += 1
    status, answer = await get(http, path)
    assert (status, answer["error"]["code"]) == (400, 2635)
    status, answer = await post(http, META.replace("v25.0", "v16.0"), {"data": [lead()]})
    assert (status, json.loads(answer)["error"]["code"]) == (400, 2635)


@pytest.mark.parametrize(
    "content", [{}, [], 7, {"data": []}, {"data": "x"}, {"data": {}}, {"data": [lead(str(i)) for i in range(1001)]}]
)
async def test_meta_refuses_a_request_without_events_or_with_more_than_1000(http, content):
    status, answer = await post(http, META, content)
    assert (status, json.loads(answer)["error"]["code"]) == (400, 100)


async def test_meta_takes_a_thousand(http):
    assert (await meta(http, *(lead(str(i)) for i in range(1000))))[1]["events_received"] == 1000


HOSTILE = {
    "nothing": b"",
    "no JSON": b"event_name=Lead",
    "NaN": b'{"data": [{"event_name": "Lead", "event_time": NaN}]}',
    "infinity": b'{"data": [{"event_time": 1e999}]}',
    "a huge number": b'{"data": [{"event_time": ' + b"9" * 4000 + b"}]}",
    "a lone surrogate": b'{"data": [{"event_name": "\\ud800"}]}',
    "bad UTF-8": b'{"data": ["\xff"]}',
    "deep": b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep, but readable": b'{"events":[' + b"[" * 700 + b"]" * 700 + b"]}",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bodies_are_refused_or_taken_for_what_they_are_and_the_page_still_works(http, name):
    async with http.post(META, data=HOSTILE[name]) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, 100)
    async with http.post(GA4, data=HOSTILE[name]) as response:
        assert response.status == 204
    async with http.post("/debug/mp/collect", data=HOSTILE[name]) as response:
        assert (await response.json())["validationMessages"]
    for path in ("/", "/ledger", "/ledger/summary", "/ledger/counts"):
        async with http.get(path) as response:
            assert response.status == 200
            assert await response.read() is not None


@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_of_10_megabytes_is_refused_quickly(http, packed):
    body = b'{"data": "' + b"x" * 10_000_000 + b'"}'
    headers = {"Content-Encoding": "gzip"} if packed else {}
    sent = io.BytesIO(gzip.compress(body) if packed else body)
    async with http.post(META, data=sent, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (413, 100)
    async with http.post(GA4, data=io.BytesIO(body)) as response:
        assert response.status == 204
    _status, ledger = await get(http, "/ledger")
    assert [one["kind"] for one in ledger["meta"] + ledger["ga4"]] == ["request", "request"]


async def test_a_gzipped_body_is_read(http):
    body = gzip.compress(json.dumps({"data": [lead()]}).encode())
    async with http.post(META, data=body, headers={"Content-Encoding": "gzip"}) as response:
        assert (await response.json())["events_received"] == 1


async def test_a_sender_that_goes_away_within_its_body_leaves_nothing_behind(http, sandbox, caplog):
    _reader, writer = await asyncio.open_connection("127.0.0.1", http._base_url.port)
    writer.write(f"POST {GA4} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await until(lambda: sandbox.ledger.requests)
    assert (sandbox.ledger.requests[0].accepted, sandbox.ledger.requests[0].acknowledged) == (False, False)
    assert not sandbox.ledger.arrivals
    assert not caplog.records
    assert (await post(http, GA4, hit()))[0] == 204


@pytest.mark.parametrize(("path", "status"), [(META, 400), (GA4, 204)])
async def test_a_body_that_cannot_be_decompressed_is_no_json(http, sandbox, path, status):
    async with http.post(path, data=b"abc", headers={"Content-Encoding": "gzip"}) as response:
        assert response.status == status
    assert verdicts(sandbox) == ["invalid"]


async def test_match_quality_is_answered_in_the_documented_shape(http):
    await meta(http, lead("a"), lead("b", user_data={"em": [DIGEST], "ph": [DIGEST], "client_user_agent": "x"}))
    _status, quality = await get(http, "/v25.0/dataset_quality?dataset_id=1530042020969436&fields=web{event_name}")
    [entry] = quality["web"]
    assert entry["event_name"] == "Lead"
    assert 2 < entry["event_match_quality"]["composite_score"] < 5
    coverage = {
        row["identifier"]: row["field_coverage"]["percentage"]
        for row in entry["event_match_quality"]["match_key_feedback"]
    }
    assert coverage == {"email": 100, "phone": 50, "user_agent": 100}
    assert await get(http, "/v25.0/dataset_quality?dataset_id=7") == (200, {})
    _status, answer = await get(http, "/v25.0/dataset_quality")
    assert answer["error"]["error_subcode"] == 2044055
    _status, answer = await get(http, "/v25.0/7/dataset_quality")
    assert answer["error"]["code"] == 2500


# --- GA4 --------------------------------------------------------------------------------------------------------------


async def test_ga4_answers_204_whatever_comes_and_keeps_what_it_thinks(http, sandbox):
    for content in (hit(), hit(ga_event_id="x"), {"client_id": "1.2"}, [], "x"):
        assert await post(http, GA4, content) == (204, b"")
    assert verdicts(sandbox) == ["counted", "invalid", "invalid", "invalid", "invalid"]
    assert [problem.code for problem in sandbox.ledger.arrivals[1].problems] == ["NAME_RESERVED"]


async def test_ga4_does_not_report_a_wrong_secret_but_the_ledger_does(clock):
    async with (
        running(clock=clock, accepted={"ga4": Accepted(ids=["G-1"], secret="right")}) as sandbox,
        aiohttp.ClientSession(sandbox.url) as http,
    ):
        assert (await post(http, GA4, hit()))[0] == 204
        assert [problem.field for problem in sandbox.ledger.arrivals[0].problems] == ["measurement_id", "api_secret"]
        await post(http, "/mp/collect?measurement_id=G-1&api_secret=right", hit())
        assert verdicts(sandbox) == ["invalid", "counted"]


async def test_ga4_drops_a_purchase_with_a_known_transaction_and_nothing_else(http, sandbox):
    bought = {"value": 9, "currency": "EUR", "items": [{"item_id": "ency"}]}
    await post(http, GA4, hit("a", "purchase", transaction_id="in_1", **bought))
    await post(http, GA4, hit("b", "purchase", transaction_id="in_1", **bought))
    await post(http, GA4, hit("b", "purchase", transaction_id="in_2", **bought))
    await post(http, GA4, hit("c"))
    await post(http, GA4, hit("c"))
    await post(http, GA4, hit("d", "refund", transaction_id="in_1"))
    await post(http, GA4, hit("d", "refund", transaction_id="in_1"))
    assert verdicts(sandbox) == ["counted", "duplicate", *["counted"] * 5]


async def test_user_data_without_events_is_recorded_as_enrichment(http, sandbox):
    content = {"client_id": "1.2", "user_id": "account-7", "user_data": {"sha256_email_address": [DIGEST]}}
    assert (await post(http, GA4, content))[0] == 204
    [arrival] = sandbox.ledger.arrivals
    assert (arrival.kind, arrival.event_name, arrival.event_id) == ("enrichment", "(user data)", "account-7")
    assert (arrival.verdict, arrival.problems) == ("counted", [])
    assert (arrival.event, arrival.shared) == (None, content)


async def test_the_debug_endpoint_returns_messages_and_records_nothing(http, sandbox):
    status, answer = await post(http, "/debug/mp/collect", {"events": [{"name": "session_start"}]})
    assert status == 200
    assert json.loads(answer) == {
        "validationMessages": [
            {
                "fieldPath": "client_id",
                "description": "Measurement requires a client_id.",
                "validationCode": "VALUE_REQUIRED",
            },
            {
                "fieldPath": "events[0].name",
                "description": "is reserved, or begins with a reserved prefix.",
                "validationCode": "NAME_RESERVED",
            },
        ]
    }
    assert json.loads((await post(http, "/debug/mp/collect", hit()))[1]) == {"validationMessages": []}
    stale = {**hit(), "timestamp_micros": int((NOW - 80 * HOUR) * 1e6)}
    assert json.loads((await post(http, "/debug/mp/collect", stale))[1])["validationMessages"] == []
    stale["validation_behavior"] = "ENFORCE_RECOMMENDATIONS"
    assert len(json.loads((await post(http, "/debug/mp/collect", stale))[1])["validationMessages"]) == 1
    assert not sandbox.ledger.arrivals
    assert not sandbox.ledger.requests


async def test_a_body_of_more_than_130_kb_is_told(http, sandbox):
    await post(http, GA4, {**hit(), "user_agent": "x" * 130_000})
    assert [problem.code for problem in sandbox.ledger.arrivals[0].problems] == ["VALUE_OUT_OF_BOUNDS"]


# --- Faults -----------------------------------------------------------------------------------------------------------


async def test_a_script_is_followed_before_rates_and_each_fault_shows_what_it_says(http, sandbox):
    script = ["http_500", "http_503", "html_502", "throttled", "token_invalid", "permission_denied", "pixel_missing"]
    await plan(http, meta={"script": [*script, "version_dead", "garbage", "wrong_received_count", "ok"]})
    answers = []
    for i in range(11):
        async with http.post(META, json={"data": [lead(str(i))]}) as response:
            answers.append((response.status, response.content_type, await response.text(), response.headers))
    errors = [json.loads(text)["error"] for _s, _t, text, _h in answers[:2] + answers[3:8]]
    codes = [(error["code"], error.get("error_subcode")) for error in errors]
    assert codes[:2] == [(1, None), (2, None)]
    assert codes[2] in ((4, None), (613, 1487742))
    assert codes[3:] == [(190, None), (10, None), (100, 33), (2635, None)]
    assert [answer[0] for answer in answers] == [500, 503, 502, 400, 401, 403, 400, 400, 200, 200, 200]
    assert answers[2][1] == "text/html"
    usage = json.loads(answers[3][3]["X-Business-Use-Case-Usage"])
    assert next(iter(usage.values()))[0]["estimated_time_to_regain_access"] == 1
    with pytest.raises(json.JSONDecodeError):
        json.loads(answers[8][2])
    assert [json.loads(answer[2])["events_received"] for answer in answers[9:]] == [0, 1]
    assert [(one.event_id, one.fault, one.acknowledged) for one in sandbox.ledger.arrivals] == [
        ("8", "garbage", False),
        ("9", "wrong_received_count", False),
        ("10", "", True),
    ]
    _status, report = await get(http, "/faults")
    assert report["meta"]["injected"] == dict.fromkeys([*script, "version_dead", "garbage", "wrong_received_count"], 1)
    assert report["meta"]["script_left"] == 0


async def test_ga4_has_faults_of_its_own(http, sandbox):
    await plan(http, ga4={"script": ["http_500", "html_502", "throttled", "garbage"], "retry_after": 3})
    statuses = []
    for i in range(5):
        async with http.post(GA4, json=hit(str(i))) as response:
            statuses.append(response.status)
            if response.status == 429:
                assert response.headers["Retry-After"] == "3"
    assert statuses == [500, 502, 429, 200, 204]
    assert [(one.event_id, one.acknowledged) for one in sandbox.ledger.arrivals] == [("3", False), ("4", True)]


@pytest.mark.parametrize(("fault", "recorded"), [("reset_before", 0), ("reset_after_accept", 1)])
@pytest.mark.parametrize("path", [META, GA4])
async def test_a_reset_comes_before_or_after_the_events_are_recorded(http, sandbox, path, fault, recorded):
    await plan(http, meta={"script": [fault]}, ga4={"script": [fault]})
    content = {"data": [lead()]} if path == META else hit()
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(http, path, content)
    assert len(sandbox.ledger.arrivals) == recorded
    [request] = sandbox.ledger.requests
    assert (request.accepted, request.acknowledged, request.status) == (bool(recorded), False, 0)
    name = ("meta", "Lead") if path == META else ("ga4", "generate_lead")
    assert await lines(http, "/ledger/unacknowledged") == [(*name, "e-1", 1)] * recorded


async def test_a_hang_records_and_then_is_silent(http, sandbox):
    await plan(http, meta={"script": ["hang_after_accept"]})
    with pytest.raises(TimeoutError):
        await meta(http, lead(), timeout=aiohttp.ClientTimeout(total=0.2))
    [arrival] = sandbox.ledger.arrivals
    assert (arrival.verdict, arrival.fault, arrival.acknowledged) == ("counted", "hang_after_accept", False)


async def test_a_hang_has_an_end(http):
    await plan(http, ga4={"script": ["hang_after_accept"], "hang_seconds": 0.05})
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(http, GA4, hit())


async def test_a_sandbox_that_hangs_on_a_request_shuts_down_at_once(clock):
    async with running(clock=clock) as sandbox:
        http = aiohttp.ClientSession(sandbox.url, headers=BEARER)
        await plan(http, meta={"script": ["hang_after_accept"]})
        hanging = asyncio.create_task(meta(http, lead()))
        await until(lambda: sandbox.ledger.arrivals)
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 1.5
    with pytest.raises(aiohttp.ClientConnectionError):
        await hanging
    await http.close()


async def test_a_slow_answer_comes_and_one_that_nobody_waits_for_is_known_to_be_lost(http, sandbox):
    await plan(http, meta={"script": ["slow", "slow"], "slow_ms": 50})
    assert (await meta(http, lead("waited")))[0] == 200
    with pytest.raises(TimeoutError):
        await meta(http, lead("gone"), timeout=aiohttp.ClientTimeout(total=0.02))
    await until(lambda: len(sandbox.ledger.requests) == 2)
    assert [(one.event_id, one.acknowledged) for one in sandbox.ledger.arrivals] == [("waited", True), ("gone", False)]
    assert await lines(http, "/ledger/unacknowledged") == [("meta", "Lead", "gone", 1)]


async def test_rates_are_kept_and_a_seed_gives_the_same_faults_again(http):
    rates = {"http_500": 0.2, "token_invalid": 0.1}
    runs = []
    for seed in (7, 7, 8):
        await plan(http, meta={"seed": seed, "rates": rates})
        runs.append([(await meta(http, lead(str(i))))[0] for i in range(100)])
    assert runs[0] == runs[1] != runs[2]
    seen = Counter(runs[0])
    assert 8 <= seen[500] <= 35
    assert 2 <= seen[401] <= 22
    assert seen[200] > 50


async def test_probes_meet_halting_faults_only(http):
    await plan(http, meta={"rates": {"token_invalid": 1}, "script": ["ok"]})
    assert (await get(http, PROBE))[0] == 401
    assert (await meta(http, lead()))[0] == 200
    await plan(http, meta={"rates": {"http_500": 1}})
    assert (await get(http, PROBE))[0] == 200


async def test_chosen_events_are_refused_with_their_whole_request(http):
    await plan(http, meta={"reject_event_ids": ["bad"]})
    for events, expected in ((["a", "bad"], 2804016), (["a"], None), (["bad"], 2804016)):
        _status, answer = await meta(http, *map(lead, events))
        assert answer.get("error", {}).get("error_subcode") == expected
    await plan(http, meta={"reject_modulo": 3})
    for i in range(12):
        status, _answer = await meta(http, lead(f"m{i}"))
        assert (status == 400) == (crc32(f"m{i}".encode()) % 3 == 0)
    await plan(http)
    assert (await meta(http, lead("bad")))[0] == 200


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"meta": {"rates": {"http_404": 0.1}}}, "meta has no fault 'http_404'; it has:"),
        ({"ga4": {"script": ["token_invalid"]}}, "ga4 has no fault 'token_invalid'"),
        ({"meta": {"rates": {"slow": 0.6, "garbage": 0.6}}}, "must be at least 0 and add up to at most 1"),
        ({"meta": {"rate": {}}}, "unknown field `rate`"),
        ({"tiktok": {}}, "there is no destination 'tiktok'; there are: meta, ga4"),
    ],
)
async def test_a_bad_plan_is_refused_with_a_sentence_and_changes_nothing(http, content, sentence):
    await plan(http, meta={"script": ["ok"]})
    async with http.put("/faults", json=content) as response:
        assert response.status == 400
        assert sentence in (await response.json())["error"]
    assert (await get(http, "/faults"))[1]["meta"]["script_left"] == 1
    async with http.delete("/faults") as response:
        assert response.status == 204
    assert (await get(http, "/faults"))[1]["meta"] == {"requests": 0, "injected": {}, "script_left": 0, "plan": {}}


# --- The ledger -------------------------------------------------------------------------------------------------------


async def test_the_ledger_shows_each_arrival_with_its_payload(http):
    await post(http, META, {"data": [lead()], "test_event_code": "TEST1", "access_token": "meta-token"})
    await post(http, GA4, hit())
    _status, ledger = await get(http, "/ledger")
    assert ledger["meta"] == [
        {
            "seq": 1,
            "at": NOW,
            "destination": "meta",
            "target": "1530042020969436",
            "request": 1,
            "kind": "event",
            "event_name": "Lead",
            "event_id": "e-1",
            "verdict": "counted",
            "problems": [],
            "fault": "",
            "acknowledged": True,
            "envelope": {"test_event_code": "TEST1"},
            "payload": lead(),
        }
    ]
    assert ledger["ga4"][0]["payload"] == hit()["events"][0]
    assert ledger["ga4"][0]["envelope"] == {"client_id": "1.2"}
    assert [len(found) for found in (await get(http, "/ledger?destination=ga4"))[1].values()] == [0, 1]
    assert [len(found) for found in (await get(http, "/ledger?after=1"))[1].values()] == [0, 1]
    assert [len(found) for found in (await get(http, "/ledger?limit=1"))[1].values()] == [1, 0]


async def test_the_summary_the_counts_and_the_requests_agree(http):
    await meta(http, lead("a"), lead("a"), lead("b"))
    await meta(http, lead("c", event_time=1))
    await post(http, GA4, hit("a"))
    await post(http, GA4, hit("a"))
    _status, summary = await get(http, "/ledger/summary")
    assert summary == {
        "meta": {"Lead": {"received": 4, "counted": 2, "duplicates": 1, "invalid": 1}},
        "ga4": {"generate_lead": {"received": 2, "counted": 2, "duplicates": 0, "invalid": 0}},
    }
    rows = [
        ("meta", "Lead", "a", 2, 1),
        ("meta", "Lead", "b", 1, 1),
        ("meta", "Lead", "c", 1, 0),
        ("ga4", "generate_lead", "a", 2, 2),
    ]
    assert await lines(http, "/ledger/counts") == rows
    assert await lines(http, "/ledger/counts?target=G-XLHMXGR17M") == rows[3:]
    _status, requests = await get(http, "/ledger/requests")
    assert [(one["destination"], one["status"], one["events"], one["error"]) for one in requests["latest"]] == [
        ("meta", 200, 3, ""),
        ("meta", 400, 1, "100/2804003"),
        ("ga4", 204, 1, ""),
        ("ga4", 204, 1, ""),
    ]
    assert sum(total["count"] for total in requests["totals"]) == 4


async def test_payloads_are_kept_for_the_newest_and_counts_for_all(clock):
    async with (
        running(clock=clock, keep=10) as sandbox,
        aiohttp.ClientSession(sandbox.url, headers=BEARER) as http,
    ):
        await meta(http, *(lead(str(i)) for i in range(50)))
        await meta(http, *(lead(str(i)) for i in range(50)))
        assert [one.event_id for one in sandbox.ledger.arrivals] == [str(i) for i in range(40, 50)]
        assert await lines(http, "/ledger/counts") == [("meta", "Lead", str(i), 2, 1) for i in range(50)]


async def test_deleting_the_ledger_forgets_deduplication_too(http, sandbox):
    await meta(http, lead())
    async with http.delete("/ledger") as response:
        assert response.status == 204
    assert await get(http, "/ledger/summary") == (200, {"meta": {}, "ga4": {}})
    await meta(http, lead())
    assert verdicts(sandbox) == ["counted"]


async def test_no_token_and_no_secret_is_ever_shown_or_logged(http, caplog):
    caplog.set_level("DEBUG")
    await post(http, META + "?access_token=meta-token", {"data": [lead()], "access_token": "meta-token"})
    await post(http, GA4, hit())
    await post(http, GA4, "x")
    reader, writer = await asyncio.open_connection("127.0.0.1", http._base_url.port)
    writer.write(b"POST " + GA4.encode() + b" \x00 HTTP/9.9\r\n\r\n")
    assert b"400" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    for path in ("/", "/ledger", "/ledger/requests", "/ledger/summary", "/faults", "/updates"):
        async with http.get(path) as response:
            text = await response.text()
        assert "meta-token" not in text
        assert "ga4-secret" not in text
    assert "meta-token" not in caplog.text
    assert "ga4-secret" not in caplog.text


async def test_as_a_process_it_prints_its_address_and_ends_with_0_on_sigterm():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatcher.sandbox", "--port", "0"),
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[-1]
    async with aiohttp.ClientSession(url, headers=BEARER) as http:
        async with http.post(META, json={"data": []}) as response:
            assert response.status == 400
        await plan(http, ga4={"script": ["hang_after_accept"]})
        hanging = asyncio.create_task(post(http, GA4, hit()))
        while not (await get(http, "/ledger/summary"))[1]["ga4"]:
            pass
        process.send_signal(signal.SIGTERM)
        _out, errors = await asyncio.wait_for(process.communicate(), 5)
        assert (process.returncode, errors) == (0, b"")
        with pytest.raises(aiohttp.ClientConnectionError):
            await hanging
