"""What takes a text from outside and cannot be called by its signature alone: requests, events, payloads, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp.test_utils import make_mocked_request

import outbox
from dispatcher.config import toml_file, toml_lines
from dispatcher.config.default_forms import FORMS
from dispatcher.config.settings import Settings
from dispatcher.config.toml_tables import Problems
from dispatcher.console.access import Access, check_origin, is_local
from dispatcher.destinations.ga4 import destination as ga4
from dispatcher.destinations.meta import destination as meta
from dispatcher.identity.keys import keys_of
from dispatcher.identity.profile import profile_from_event
from dispatcher.models import Route
from dispatcher.preview.masking import masked
from dispatcher.preview.provenance import Provenance
from dispatcher.request_headers import content_of
from dispatcher.sandbox.ga4 import rules as ga4_rules
from dispatcher.sandbox.meta import rules as meta_rules
from dispatcher.serve import body
from dispatcher.serve.field_mapping import understand
from dispatcher.serve.forms import _content, _is_script
from outbox.encoding import encode
from outbox.sealing import seal
from outbox.stripe.events import read_event
from outbox.stripe.rules import Rules
from outbox.stripe.state import SubscriptionState
from tests.support.examples import NOW, delivery
from tests.support.payload_fields import FIELDS

DETAILS = (
    "value", "currency", "form", "product", "order_id", "content_category", "content_name", "predicted_ltv", "status",
    "search_string", "action_source", "num_items", "event_id", "note",
)  # fmt: skip
VISITOR = ("ip", "user_agent", "fbp", "fbc", "fbclid", "fbclid_at", "ga_client_id", "ga_session_id", "url", "referrer")
PERSON = (
    "email", "phone", "first_name", "last_name", "city", "state", "postal_code", "country", "date_of_birth", "gender",
)  # fmt: skip
CAMPAIGN = ("source", "medium", "campaign", "content", "term", "fb_source", "fb_loc")
HEADERS = (
    "Content-Type", "Cookie", "User-Agent", "Referer", "X-Forwarded-For", "CF-Connecting-IP", "Host", "Origin", "Accept",
    "Authorization", "Stripe-Signature", "Sec-Fetch-Site", "X-Forwarded-Proto", "Content-Encoding",
)  # fmt: skip


def _event(text: str, **changes: Any) -> Any:
    """Give a delivery as a SQL writer's text makes it: uncut, everywhere."""
    parts = [text[at : at + 16] for at in range(0, len(text), 16)]
    fields: dict[str, Any] = {
        "details": dict.fromkeys(DETAILS, text)
        | {"contents": [{"id": text}, *({"id": part} for part in parts)], "content_ids": parts, text[:40]: text}
        | {"items": [{"item_id": text, "item_name": text}]},
        "visitor": dict.fromkeys(VISITOR, text),
        "campaign": dict.fromkeys(CAMPAIGN, text),
        "sealed": {
            "meta": {"em": text, "ph": [text, *parts]},
            "google": {"sha256_email_address": parts},
            "country": text,
        },
        "consent": dict.fromkeys(("ad_user_data", "ad_storage"), text),
        "lead_id": text,
        "account_id": text,
        "handl_id": text,
    }
    return delivery(**fields | changes)


def _built(build: Callable[..., Any], name: str, text: str) -> dict[str, Any]:
    pending = _event(text, consent={})
    built = build(pending, profile_from_event(pending.event), Route(name, value=1, currency="EUR"), NOW)
    payload = json.loads(built.body)
    return {**json.loads(built.envelope), "events": [payload]} if built.envelope else payload


def meta_payload(text: str) -> None:
    """What Meta is sent, and what is shown of it."""
    masked(_built(meta.build, "Purchase", text), FIELDS)


def ga4_payload(text: str) -> None:
    """What GA4 is sent, and what is shown of it."""
    masked(_built(ga4.build, "purchase", text), FIELDS)


def refused_by_consent(text: str) -> None:
    """Consent that nobody understands."""
    pending = _event(text)
    meta.build(pending, profile_from_event(pending.event), Route("Lead"), NOW)


def shown_payload(text: str) -> None:
    """The event page: a payload as it might be, masked."""
    masked(
        {"custom_data": {"contents": [{"id": text}], text: text, "form": text}, "event_source_url": text, "fbp": text},
        FIELDS,
    )


def provenance(text: str) -> None:
    """The preview: where a field comes from."""
    event = _event(text).event
    origins = Provenance(event, profile_from_event(event), {}, {})
    for path in ("user_data.em", "user_data.external_id", text, f"custom_data.{text}"):
        origins.source_of(path, Route("Lead"), FIELDS)


def identity_keys(text: str) -> None:
    """The keys that an event carries."""
    keys_of(_event(text).event)


def sealing(text: str) -> None:
    """Every field of a person, by Python and by SQL."""
    for region in (None, "US"):
        seal(dict.fromkeys(PERSON, text), region=region)
        seal({text: text, "email": [text] * 8}, region=region)


def sealing_cut(text: str) -> None:
    """Texts as long as sealing reads them."""
    for field in PERSON:
        seal({field: text[:512], "country": "US"}, region="DE")
        seal({field: text[-512:]}, region="US")


def visitor_of_a_request(text: str) -> None:
    """A request whose every part is the text."""
    outbox.Visitor.from_request(
        headers=dict.fromkeys(map(str.lower, HEADERS), text), query=text, form={"fbclid": text, text: [text] * 8}, url=text,
        remote=text, ga_stream=text, consent={"ad_user_data": text},
    )  # fmt: skip


def visitor_of_fields(text: str) -> None:
    """A visitor whose every field is the text."""
    outbox.Visitor(**{name: text for name in VISITOR if name != "fbclid_at"}, event_id=text, handl_id=text)
    outbox.Campaign(**dict.fromkeys(CAMPAIGN, text))


def conversion(text: str) -> None:
    """A conversion as Python writes it."""
    details = {**dict.fromkeys(DETAILS, text), text: text, "list": [text] * 3, "items": [{text: text}]}
    encode(
        outbox.Conversion(
            name="lead_submitted", event_id=text, lead_id=text, details=details, consent={"ad_user_data": text},
            person=outbox.Person(**dict.fromkeys(PERSON, text)),
        )
    )  # fmt: skip


def nested_details(text: str) -> None:
    """Details of many entries and levels, as long as the text."""
    inner: Any = text[:10]
    for _ in range(min(len(text) // 16, 900)):
        inner = {"a": [inner]}
    encode(outbox.Conversion(name="lead_submitted", details={"deep": inner, "wide": dict.fromkeys(text.split("a"), 1)}))


def form_fields(text: str) -> None:
    """What a form means."""
    fields = {name: [text] * 4 for name in ("email", "name", "phone", "company", "product", "value", text[:100])}
    for form in FORMS:
        told = understand(form, fields)
        visitor = outbox.Visitor.from_request(headers={}, form=fields)
        list(_content(form, told, visitor))


def required_email(text: str) -> None:
    """A form that needs an e-mail address."""
    form = FORMS[0].__class__(name="x", required=("email",))
    understand(form, {"email": [text]})


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def urlencoded_body(text: str) -> None:
    """A form as a browser sends it."""
    list(body._urlencoded(_bytes(text), "utf-8"))


def multipart_body(text: str) -> None:
    """A form in parts: the text between, in the heads of, and inside them."""
    for sent in (
        b"--b\r\n" + _bytes(text) + b"\r\n--b--",
        b"--b\r\nContent-Disposition: form-data; " + _bytes(text) + b"\r\n\r\nx\r\n--b--",
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + _bytes(text) + b"\r\n--b--",
    ):
        list(body._multipart(sent, "b", "utf-8"))


def json_body(text: str) -> None:
    """A form as a script sends it."""
    for sent in (_bytes(text), json.dumps({"email": text, text: [text]}).encode(), b'{"a":' + _bytes(text) + b"}"):
        with suppress(Exception):
            list(body._json(sent))


def request_headers(text: str) -> None:
    """What is read of the headers of a request, each alone, before it is known who sends it."""
    for name in ("Content-Type", "Host", "Accept", "X-Forwarded-For"):
        request = make_mocked_request("POST", "/sign-in", headers={name: text[:32768]})
        content_of(request)
        _is_script(request)
        is_local(request)


def console_cookies(text: str) -> None:
    """The session's cookie, and a token, that anybody may send."""
    access = Access(Settings.from_environment({"OUTBOX_CONSOLE_TOKEN": "t" * 24}).console_token)
    for headers in ({"Cookie": text}, {"Cookie": f"outbox={text}"}, {"Authorization": f"Bearer {text}"}):
        with suppress(Exception):  # the next one too
            access.viewer(
                make_mocked_request("GET", "/", headers={name: value[:32768] for name, value in headers.items()})
            )


def console_origin(text: str) -> None:
    """The origin of a form that is sent to the console."""
    check_origin(make_mocked_request("POST", "/", headers={"Origin": text, "Host": "x"}))


def configuration(text: str) -> None:
    """A file that is no configuration, and one whose texts are strange; shorter, as tomllib is slow, if linear."""
    text = text[: len(text) // 4]
    for content in (
        text,
        f'[forms."{text}"]\nstep = {json.dumps(text)}\n',
        f"[serve]\norigins = [{json.dumps(text)}]\n",
    ):
        with suppress(Exception):  # the next one too
            parsed = toml_file._parse("outbox.toml", content)
            toml_file._read("outbox.toml", parsed, Problems(toml_lines.lines(content)), {})


def environment(text: str) -> None:
    """Settings that somebody filled with anything."""
    for name in (
        "OUTBOX_DATABASE_URL",
        "META_CAPI_BASE_URL",
        "OUTBOX_PHONE_REGION",
        "META_CAPI_TEST_CODE",
        "META_PIXEL_ID",
    ):
        with suppress(Exception):  # the next one too
            Settings.from_environment({name: text})


def _stripe(text: str, kind: str) -> dict[str, Any]:
    address = dict.fromkeys(("city", "country", "line1", "postal_code", "state"), text)
    person = {"email": text, "name": text, "phone": text, "address": address}
    return {
        "id": "evt_1", "type": kind, "created": 1_790_000_000,
        "data": {"object": {
            "id": "x", "object": kind.rpartition(".")[0], "customer": text, "metadata": {"account_id": text, text[:40]: text},
            "client_reference_id": text, "customer_details": person, "customer_email": text, "customer_name": text,
            "billing_reason": "subscription_create", "amount_paid": 100, "amount_total": 100, "currency": "eur",
            "payment_status": "paid", "mode": "payment", "status": "paid",
            "lines": {"data": [{"amount": 100, "description": text, "metadata": {"a": text}}] * 10},
        }},
    }  # fmt: skip


def stripe_events(text: str) -> None:
    """Stripe's objects, with what their customers wrote."""
    for kind in ("invoice.paid", "checkout.session.completed", "charge.refunded", "customer.subscription.created"):
        with suppress(Exception):  # the next one too
            reading = read_event(_stripe(text, kind), Rules())
            if reading:
                list(reading.conversions(SubscriptionState()))


def sandbox_meta(text: str) -> None:
    """The stand-in for Meta."""
    meta_rules.judge(
        {
            "event_name": text, "event_time": text, "event_id": text, "action_source": "website", "event_source_url": text,
            "user_data": {"em": [text], "fbc": text, "client_ip_address": text, "external_id": [text], text: text},
            "custom_data": {"currency": text, "contents": [{"id": text}], "content_ids": [text]}, text: text,
        },
        NOW.timestamp(),
    )  # fmt: skip


def sandbox_ga4(text: str) -> None:
    """The stand-in for GA4."""
    user_data = {"sha256_email_address": [text], "address": [{"city": text, "postal_code": text, "country": text}]}
    ga4_rules.judge(
        {
            "client_id": text, "user_id": text, "user_data": user_data, "user_properties": {text: {"value": text}},
            "events": [{"name": text, "params": {text: text, "currency": text, "items": [{"item_id": text}]}}],
        },
        NOW.timestamp(),
    )  # fmt: skip


SURFACES = (
    meta_payload, ga4_payload, refused_by_consent, shown_payload, provenance, identity_keys, sealing, sealing_cut,
    visitor_of_a_request, visitor_of_fields, conversion, nested_details, form_fields, required_email, urlencoded_body,
    multipart_body, json_body, request_headers, console_cookies, console_origin, configuration, environment, stripe_events,
    sandbox_meta, sandbox_ga4,
)  # fmt: skip
