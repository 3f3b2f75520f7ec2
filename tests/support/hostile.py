"""Hostile input, thousands a second, the same from run to run: texts, JSON, forms, headers and raw requests.

Every text carries `MARKER`, so that a value which leaks is found wherever it shows.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlencode

from tests.support.nasty import FRAMES, UNITS

MARKER = "zq7marker"

PERSON = (
    "email", "phone", "first_name", "last_name", "city", "state", "postal_code", "country", "date_of_birth", "gender",
)  # fmt: skip
VISITOR = (
    "ip", "user_agent", "fbp", "fbc", "fbclid", "fbclid_at", "gclid", "ga_client_id", "ga_session_id", "url", "referrer",
)  # fmt: skip
DETAILS = (
    "value", "currency", "form", "product", "order_id", "content_category", "predicted_ltv", "items", "contents",
    "content_ids", "content_name", "action_source", "num_items", "browser_pair", "event_id", "session_id", "note",
)  # fmt: skip
CAMPAIGN = ("source", "medium", "campaign", "content", "term", "fb_source", "fb_loc")
HEADERS = (
    "Content-Type", "Content-Encoding", "Cookie", "User-Agent", "Referer", "Origin", "Host", "Accept", "Authorization",
    "X-Forwarded-For", "CF-Connecting-IP", "X-Forwarded-Proto", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Stripe-Signature",
    "X-Outbox-Live", "Range", "If-None-Match", "Expect", "Accept-Encoding", "Access-Control-Request-Method", "X-Other",
)  # fmt: skip


class Hostile:
    """A source of input that nobody sends by mistake."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one_of(self, *choices: Any) -> Any:
        """Give one of these."""
        return self.random.choice(choices)

    def text(self, most: int = 3000) -> str:
        """Give a text: nasty, wild or plain; now and then a long one."""
        kind = self.random.random()
        size = self.random.choice((1, 3, 20, 60, 150, 300, most))
        if kind < 0.4:
            before, unit, after = self.random.choice((("", self.random.choice(UNITS), ""), *FRAMES))
            text = before + (unit * size)[:size] + after
        elif kind < 0.7:
            text = "".join(
                map(chr, self.random.choices((*range(0x20, 0x250), 0, 10, 13, 0x202E, 0xD800, 0x1F9D1), k=size))
            )
        else:
            text = self.one_of(
                "ann@{}.example",
                "{}",
                "+49 30 {}",
                "https://{}.example/?a={}",
                "<b>{}</b>",
                "'; {} --",
                "{}%00",
                "%s{}",
                "{}\r\nX-Evil: 1",
            )
            text = text.replace("{}", MARKER)
        at = self.random.randrange(len(text) + 1)
        return text[:at] + MARKER + text[at:] if self.random.random() < 0.8 else text

    def value(self, depth: int = 3) -> Any:
        """Give a JSON value."""
        kind = self.random.randrange(12)
        if kind == 0 and depth:
            return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        if kind == 1 and depth:
            return {self.text(80): self.value(depth - 1) for _ in range(self.random.randrange(4))}
        if kind == 2:
            return self.one_of(None, True, False, 0, -1, 1e308, 10**30, 2**63, -(10**18), 0.1, "", " ", [], {}, "NaN")
        if kind == 3:
            inner: Any = MARKER
            for _ in range(self.random.choice((5, 50, 400))):
                inner = self.one_of({"a": inner}, [inner])
            return inner
        return self.text()

    def some(self, names: Sequence[str]) -> Any:
        """Give an object with some of these keys, and others; seldom no object at all."""
        if self.random.random() < 0.05:
            return self.value()
        keys = [*self.random.sample(names, self.random.randrange(min(5, len(names)) + 1))]
        if self.random.random() < 0.3:
            keys.append(self.text(60))
        return {key: self.value() for key in keys}

    def event(self) -> Any:
        """Give an event as a SQL writer might."""
        if self.random.random() < 0.03:
            return self.value()
        event: dict[str, Any] = {"name": self.one_of("lead_submitted", "subscription_purchased", "signed_in")}
        parts: Mapping[str, Sequence[str]] = {
            "person": PERSON, "visitor": VISITOR, "details": DETAILS, "campaign": CAMPAIGN, "sealed": ("meta", "google"),
            "consent": ("ad_user_data", "ad_storage", "ad_personalization"), "privacy": ("limited_data_use", "country"),
        }  # fmt: skip
        for part in self.random.sample(list(parts), self.random.randrange(4)):
            event[part] = self.some(parts[part])
        for key in self.random.sample(
            ["event_id", "lead_id", "account_id", "handl_id", "occurred_at", "notes", "name"], 2
        ):
            event[key] = self.value() if self.random.random() < 0.7 else self.text(40)
        if self.random.random() < 0.1:
            event[self.text(40)] = self.value()
        return event

    def body(self, names: Sequence[str]) -> tuple[bytes, str]:
        """Give a body and its content type: JSON, a form, a form in parts, or bytes."""
        kind = self.random.randrange(5)
        # An answer names the fields that are at fault, so their names carry no marker.
        strange = self.text(60).replace(MARKER, "")
        fields = [(self.one_of(*names, strange), self.text()) for _ in range(self.random.randrange(6))]
        if kind == 0:
            return _bytes(
                json.dumps(dict(fields) if self.random.random() < 0.5 else [self.value()])
            ), "application/json"
        if kind == 1:
            return urlencode(fields, errors="replace").encode(), "application/x-www-form-urlencoded"
        if kind == 2:
            parts = (f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields)
            return _bytes("".join(parts) + "--b--"), "multipart/form-data; boundary=b"
        if kind == 3:
            return _bytes(self.text(30_000)), self.one_of(
                "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
            )
        return self.random.randbytes(self.random.randrange(400)), self.one_of(
            self.text(200), "application/json", "text/plain"
        )

    def request(
        self, paths: Iterable[str], names: Sequence[str] = PERSON, methods: Sequence[str] = ("GET", "POST")
    ) -> bytes:
        """Give a request as bytes: mostly HTTP."""
        path = self.one_of(*paths)
        if self.random.random() < 0.3:
            path += self.one_of("/", "?", "?next=", "?q=", ";", "%2e%2e/") + quote(_bytes(self.text(500)), safe="/?&=;")
        method = self.one_of(*methods)
        body, content_type = self.body(names) if method == "POST" else (b"", "")
        headers = {"Host": "127.0.0.1", "Content-Length": str(len(body))}
        if content_type:
            headers["Content-Type"] = content_type
        for name in self.random.sample(HEADERS, self.random.randrange(4)):
            headers[name] = self.text(self.one_of(200, 3000, 7000))
        if self.random.random() < 0.1:
            headers[quote_from_bytes(_bytes(self.text(40)))] = self.text()
        if self.random.random() < 0.03:
            headers["Content-Length"] = self.one_of("-1", "x", "1" * 400, "", "0x10")
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{n}: {_line(v, self.random)}\r\n" for n, v in headers.items()
        )
        return _bytes(head) + b"Connection: close\r\n\r\n" + body


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _line(value: str, source: random.Random) -> str:
    """Give a header's value; now and then with what no header may hold."""
    return value if source.random() < 0.05 else value.replace("\r", " ").replace("\n", " ").replace("\0", " ")
