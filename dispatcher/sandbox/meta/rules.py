"""Meta's documented requirements for one server event, as pure functions: an event and the time in, problems out.

Written from Meta's pages alone, as an independent check: it shares no code with the payload builder.

Sources: Conversions API "Server Event Parameters", "Customer Information Parameters", "fbp and fbc Parameters",
"Standard/Custom Data Parameters", "Data Processing Options"; the official SDK's field lists; the official parameter
builder, which may append a segment of 2 or 8 characters to fbc, fbp, the IP address and hashed values.

Two rules have no documented number and are ours: a time more than 60 s ahead is refused, and a missing required field
answers 100 without a subcode. One is stricter than the live API was observed to be in 2026: `website` events without
`client_user_agent` are refused, as documented.
"""

# ruff: noqa: SIM905 - a table of words reads best as text
from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

from dispatcher.sandbox.problem import Problem

__all__ = ["MAX_EVENTS", "VERSION_ENDS", "judge"]

DAY = 86_400
MAX_EVENTS = 1000
MAX_AGE = 7 * DAY
MAX_AGE_PHYSICAL_STORE = 62 * DAY
MAX_AHEAD = 60

# Graph API changelog: the Unix time at which a version stops working. Older versions are refused, newer ones accepted.
VERSION_ENDS: dict[str, int] = {
    "v18.0": 1_769_385_600,  # 2026-01-26
    "v19.0": 1_779_321_600,  # 2026-05-21
    "v20.0": 1_790_208_000,  # 2026-09-24
    "v21.0": 1_800_489_600,  # 2027-01-21
    "v22.0": 1_810_771_200,  # 2027-05-20
    "v23.0": 1_822_953_600,  # 2027-10-08
    "v24.0": 1_834_444_800,  # 2028-02-18
    "v25.0": 1_848_441_600,  # 2028-07-29
}
OLDEST_VERSION = 18

ACTION_SOURCES = frozenset(
    "email website app phone_call chat physical_store system_generated business_messaging other".split()
)
EVENT_FIELDS = frozenset(
    "event_name event_time user_data action_source event_source_url event_id opt_out referrer_url custom_data app_data "
    "data_processing_options data_processing_options_country data_processing_options_state advanced_measurement_table "
    "messaging_channel original_event_data attribution_data customer_segmentation".split()
)
# "Combinations that are too broad": these, or a subset of one of them, identify nobody.
TOO_BROAD = tuple(
    frozenset(keys.split())
    for keys in ("ct country st zp ge client_user_agent", "db client_user_agent", "fn ge", "ln ge")
)
# These name a business, not a person.
BUSINESS_FIELDS = frozenset({"page_id", "ig_account_id"})
NOBODY = BUSINESS_FIELDS.union(*TOO_BROAD)
DELIVERY_CATEGORIES = frozenset({"in_store", "curbside", "home_delivery"})

EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_APPENDIX = r"(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?"
_digest = re.compile(rf"(?!{EMPTY_DIGEST})[a-f0-9]{{64}}{_APPENDIX}").fullmatch
_browser_id = re.compile(r"fb\.\d+\.\d+\.[^.\s]+" + _APPENDIX).fullmatch
_appendix = re.compile(r"\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8})$")
_currency = re.compile(r"[A-Za-z]{3}").fullmatch
_web_address = re.compile(r"https?://[^\s/?#]+(?:[/?#]\S*)?").fullmatch

Check = Callable[[Any], str | None]


def judge(event: object, now: float) -> list[Problem]:
    """Return the violations of the documented rules by `event` at `now` (Unix seconds).

    Fields are relative to the event: `user_data.em`. The first fatal problem is the one that Meta would answer with.
    """
    if not isinstance(event, dict):
        return [Problem("", "is not an object", "100")]
    found: list[Problem] = []
    _judge_event_fields(event, now, found)
    _judge_user_data(event.get("user_data"), found)
    _judge_website(event, found)
    _judge_custom_data(event, found)
    if "data_processing_options" in event:
        _judge_data_processing(event, found)
    if not EVENT_FIELDS.issuperset(event):
        found += [
            Problem(key, "is not a field of an event", "100", fatal=False)
            for key in sorted(event.keys() - EVENT_FIELDS)
        ]
    return found


def _judge_event_fields(event: dict[str, Any], now: float, found: list[Problem]) -> None:
    name = event.get("event_name")
    if type(name) is not str or not name.strip():
        found.append(Problem("event_name", "is required", "100"))
    source = event.get("action_source")
    if type(source) is not str or source not in ACTION_SOURCES:
        why = "is required" if source is None else "is not one of the documented sources"
        found.append(Problem("action_source", why, "100"))
    if problem := _time_problem(event.get("event_time"), source, now):
        found.append(problem)
    identifier = event.get("event_id")
    if identifier is None:
        found.append(Problem("event_id", "is missing: a repeat would be counted again", "100", fatal=False))
    elif type(identifier) is not str or not identifier:
        found.append(Problem("event_id", "is not a string with something in it", "100"))
    if type(event.get("opt_out", False)) is not bool:
        found.append(Problem("opt_out", "is neither true nor false", "100"))


def _time_problem(time: object, source: object, now: float) -> Problem | None:
    if type(time) is not int:
        return Problem("event_time", "is required, in whole Unix seconds", "100")
    if time < now - (MAX_AGE_PHYSICAL_STORE if source == "physical_store" else MAX_AGE):
        return Problem("event_time", "is older than 7 days (62 for physical_store)", "100/2804003")
    if time > now + MAX_AHEAD:
        milliseconds = abs(time // 1000 - int(now)) < 10 * 365 * DAY
        return Problem("event_time", "is in milliseconds, not seconds" if milliseconds else "is in the future", "100")
    return None


def _judge_user_data(user_data: object, found: list[Problem]) -> None:
    if not isinstance(user_data, dict):
        found.append(Problem("user_data", "is required and is an object", "100"))
        return
    for key, value in user_data.items():
        rule = USER_DATA.get(key)
        if rule is None:
            found.append(Problem(f"user_data.{key}", "is not a customer information parameter", "100", fatal=False))
        elif why := rule[0](value):
            found.append(Problem(f"user_data.{key}", why, rule[1]))
        elif key in REMARKS and (why := REMARKS[key](value)):
            found.append(Problem(f"user_data.{key}", why, "100", fatal=False))
    if user_data.keys() <= NOBODY and any(user_data.keys() - BUSINESS_FIELDS <= broad for broad in TOO_BROAD):
        found.append(Problem("user_data", "identifies nobody: too few customer information parameters", "100/2804050"))


def _judge_website(event: dict[str, Any], found: list[Problem]) -> None:
    address = event.get("event_source_url")
    if address is not None and (type(address) is not str or not _web_address(address)):
        found.append(Problem("event_source_url", "is not a web address", "100"))
    if event.get("action_source") == "website":
        if address is None:
            found.append(Problem("event_source_url", "is required for website events", "100"))
        user_data = event.get("user_data")
        if isinstance(user_data, dict) and "client_user_agent" not in user_data:
            found.append(Problem("user_data.client_user_agent", "is required for website events", "100"))


def _judge_custom_data(event: dict[str, Any], found: list[Problem]) -> None:
    custom_data = event.get("custom_data", {})
    if not isinstance(custom_data, dict):
        found.append(Problem("custom_data", "is not an object", "100"))
        return
    if event.get("event_name") == "Purchase":
        found += [
            Problem(f"custom_data.{key}", "is required for Purchase", "100/2804009")
            for key in ("value", "currency")
            if custom_data.get(key) in (None, "")
        ]
    elif custom_data.get("value") is not None and custom_data.get("currency") is None:
        found.append(Problem("custom_data.currency", "is missing beside value", "100", fatal=False))
    for key, value in custom_data.items():
        check = CUSTOM_DATA.get(key)
        if check is not None and (why := check(value)):
            found.append(Problem(f"custom_data.{key}", why, "100"))


def _judge_data_processing(event: dict[str, Any], found: list[Problem]) -> None:
    options = event["data_processing_options"]
    if options not in ([], ["LDU"]):
        found.append(Problem("data_processing_options", 'is neither [] nor ["LDU"]', "100"))
        return
    places = [event.get(f"data_processing_options_{place}") for place in ("country", "state")]
    if (places[0] is None) != (places[1] is None):
        found.append(Problem("data_processing_options", "need country and state together", "100/2804030"))
    elif any(place is not None and type(place) is not int for place in places):
        found.append(Problem("data_processing_options", "have a country or state that is not a number", "100/2804030"))


def _hashed(value: Any) -> str | None:
    values = value if type(value) is list else (value,)
    if not values:
        return "is an empty list"
    for one in values:
        if type(one) is not str or not _digest(one):
            return _why_no_digest(one)
    return None


def _why_no_digest(value: Any) -> str:
    if isinstance(value, str) and value.startswith(EMPTY_DIGEST):
        return "is the hash of the empty string"
    return "is not a SHA-256 digest in lower-case hex"


def _external_id(value: Any) -> str | None:
    values = value if type(value) is list else (value,)
    if not values:
        return "is an empty list"
    for one in values:
        if type(one) is not str or not one.strip():
            return "is not a string with something in it"
        if one.startswith(EMPTY_DIGEST):
            return "is the hash of the empty string"
    return None


def _address(value: Any) -> str | None:
    if type(value) is str and value.isascii() and (_is_address(value) or _is_address(_appendix.sub("", value))):
        return None
    return "is not an IPv4 or IPv6 address"


def _is_address(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _fb_cookie(value: Any) -> str | None:
    if type(value) is str and _browser_id(value):
        return None
    return "does not look like fb.<subdomain index>.<creation time>.<value>"


def _unlikely_creation_time(value: str) -> str | None:
    return None if len(value.split(".", 3)[2]) == 13 else "has a creation time that is not in milliseconds"


def _unhashed(value: Any) -> str | None:
    values = value if type(value) is list else (value,)
    return "is not hashed, which is recommended" if min(map(len, values)) < 64 else None


def _text(value: Any) -> str | None:
    return None if type(value) is str and value.strip() else "is not a string with something in it"


def _identifier(value: Any) -> str | None:
    return None if type(value) is int or (type(value) is str and value) else "is neither a number nor a string"


def _number(value: Any) -> str | None:
    return None if type(value) in (int, float) else "is not a number"


def _currency_code(value: Any) -> str | None:
    return None if type(value) is str and _currency(value) else "is not a currency code of three letters"


def _contents(value: Any) -> str | None:
    return None if type(value) is list and all(isinstance(one, dict) for one in value) else "is not a list of objects"


def _content_ids(value: Any) -> str | None:
    if type(value) is list and all(type(one) in (str, int) for one in value):
        return None
    return "is not a list of ids"


def _delivery_category(value: Any) -> str | None:
    return None if type(value) is str and value in DELIVERY_CATEGORIES else "is not one of the documented categories"


# Parameter → its form, and the number that Meta answers with when the value does not have it.
USER_DATA: dict[str, tuple[Check, str]] = {
    **dict.fromkeys("em ph fn ln db ge ct st zp country f5first f5last fi dobd dobm doby".split(), (_hashed, "100")),
    "external_id": (_external_id, "100"),
    "client_ip_address": (_address, "100"),
    "client_user_agent": (_text, "100"),
    "fbc": (_fb_cookie, "100/2804001"),
    "fbp": (_fb_cookie, "100"),
    **dict.fromkeys(
        "subscription_id fb_login_id lead_id page_id page_scoped_user_id ctwa_clid ig_account_id ig_sid anon_id "
        "madid".split(),
        (_identifier, "100"),
    ),
}
# Parameter → a check that makes a remark about a value of the right form.
REMARKS: dict[str, Check] = {
    "external_id": _unhashed,
    "fbc": _unlikely_creation_time,
    "fbp": _unlikely_creation_time,
}
CUSTOM_DATA: dict[str, Check] = {
    **dict.fromkeys("value net_revenue predicted_ltv num_items".split(), _number),
    "currency": _currency_code,
    "contents": _contents,
    "content_ids": _content_ids,
    "delivery_category": _delivery_category,
    "order_id": _identifier,
}
