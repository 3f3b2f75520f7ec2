"""GA4's documented requirements for a Measurement Protocol request, as pure functions: body and time in, problems out.

`/mp/collect` never reports problems (it always answers 204); `/debug/mp/collect` reports them in `validationMessages`.
This module finds the problems for both. Written from Google's pages alone, as an independent check: it shares no code
with the payload builder.

Sources: Measurement Protocol (GA4) "Protocol reference", "Events reference", "Send user-provided data", "Validate
events" (validation codes), "Limitations", "Reserved names". Our own rules, where the pages say nothing: a timestamp more than
60 s ahead is refused (documented: "only … events that happened in the past"), and so is a `user_id` that is an e-mail
address (Google's policy against personal data).
"""

# ruff: noqa: SIM905 - a table of words reads best as text
from __future__ import annotations

import re
from typing import Any

import msgspec

from dispatcher.sandbox.ga4 import person_rules
from dispatcher.sandbox.problem import Problem

__all__ = ["MAX_BODY", "Judgement", "judge"]

MAX_BODY = 130_000
MAX_EVENTS = 25
MAX_PARAMS = 25
MAX_NAME = 40
MAX_ITEMS = 200
MAX_ITEM_CUSTOM_PARAMS = 10
MAX_VALUE = 100
MAX_VALUES = {"page_title": 300, "page_referrer": 420, "page_location": 1000}
MAX_AGE_MICROS = 72 * 3600 * 1_000_000
MAX_AHEAD_MICROS = 60 * 1_000_000

REQUEST_FIELDS = frozenset(
    "client_id user_id timestamp_micros user_properties user_data consent user_location ip_override device user_agent "
    "validation_behavior events non_personalized_ads".split()
)
EVENT_FIELDS = frozenset({"name", "params", "timestamp_micros"})
RESERVED_EVENTS = frozenset(
    "ad_activeview ad_click ad_exposure ad_query ad_reward adunit_exposure app_clear_data app_exception app_install "
    "app_remove app_store_refund app_update app_upgrade dynamic_link_app_open dynamic_link_app_update "
    "dynamic_link_first_open error firebase_campaign firebase_in_app_message_action firebase_in_app_message_dismiss "
    "firebase_in_app_message_impression first_open first_visit notification_dismiss notification_foreground "
    "notification_open notification_receive notification_send os_update session_start user_engagement "
    # accepted from apps only
    "ad_impression in_app_purchase screen_view".split()
)
RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
RESERVED_PARAMS = frozenset({"firebase_conversion"})
# Required parameters by event; `currency` is also required wherever there is a `value`.
REQUIRED_PARAMS: dict[str, tuple[str, ...]] = {
    "purchase": ("transaction_id", "value", "currency", "items"),
    "refund": ("transaction_id",),
}
ITEM_PARAMS = frozenset(
    "item_id item_name affiliation coupon currency discount index item_brand item_category item_category2 "
    "item_category3 item_category4 item_category5 item_list_id item_list_name item_variant location_id price quantity "
    "promotion_id promotion_name creative_name creative_slot google_business_vertical".split()
)

_name = re.compile(r"[A-Za-z][A-Za-z0-9_]*").fullmatch
_digits = re.compile(r"[0-9]+").fullmatch
_currency = re.compile(r"[A-Z]{3}").fullmatch


class Judgement(msgspec.Struct, frozen=True):
    """The problems of a request: those of its envelope, shared by every event in it, and those of each event."""

    envelope: list[Problem]
    events: list[list[Problem]]

    def all(self) -> list[Problem]:
        """Return every problem, the envelope's first, in the order in which the debug endpoint reports them."""
        return self.envelope + [problem for event in self.events for problem in event]


def judge(body: object, now: float, *, enforce: bool = True) -> Judgement:
    """Return the violations of the documented rules by a decoded `body` at `now` (Unix seconds).

    Without `enforce` (the debug endpoint's RELAXED) a timestamp more than 72 h old is not reported: GA4 silently moves
    it.
    """
    if not isinstance(body, dict):
        return Judgement([Problem("", "Unable to parse the payload: it is not an object.", "VALUE_INVALID")], [])
    found: list[Problem] = []
    _judge_fields(body, REQUEST_FIELDS, "", found)
    person_rules.judge(body, found)
    _judge_time(body, "", now, found, enforce=enforce)
    if body.get("validation_behavior", "RELAXED") not in ("RELAXED", "ENFORCE_RECOMMENDATIONS"):
        found.append(Problem("validation_behavior", "is not one of the documented values.", "VALUE_INVALID"))
    events = body.get("events")
    if events is None or events == []:
        if not body.get("user_data"):
            found.append(Problem("events", "is required in a request without user_data.", "VALUE_REQUIRED"))
        return Judgement(found, [])
    if not isinstance(events, list):
        found.append(Problem("events", "is not a list.", "VALUE_INVALID"))
        return Judgement(found, [])
    if len(events) > MAX_EVENTS:
        found.append(Problem("events", f"has more than {MAX_EVENTS} events.", "EXCEEDED_MAX_ENTITIES"))
    return Judgement(found, [_judge_event(event, f"events[{i}]", now, enforce) for i, event in enumerate(events)])


def _judge_event(event: object, path: str, now: float, enforce: bool) -> list[Problem]:
    if not isinstance(event, dict):
        return [Problem(path, "is not an object.", "VALUE_INVALID")]
    found: list[Problem] = []
    _judge_fields(event, EVENT_FIELDS, f"{path}.", found)
    name = event.get("name")
    if name is None:
        found.append(Problem(f"{path}.name", "is required.", "VALUE_REQUIRED"))
    elif problem := _name_problem(name, f"{path}.name", RESERVED_EVENTS):
        found.append(problem)
    _judge_time(event, f"{path}.", now, found, enforce=enforce)
    params = event.get("params", {})
    if isinstance(params, dict):
        _judge_params(name if isinstance(name, str) else "", params, f"{path}.params", found)
    else:
        found.append(Problem(f"{path}.params", "is not an object.", "VALUE_INVALID"))
    return found


def _judge_fields(holder: dict[str, Any], known: frozenset[str], path: str, found: list[Problem]) -> None:
    why = "Unable to parse the payload: cannot find this field."
    found += [Problem(path + key, why, "VALUE_INVALID") for key in sorted(holder.keys() - known)]


def _name_problem(name: object, path: str, reserved: frozenset[str]) -> Problem | None:
    if not isinstance(name, str):
        return Problem(path, "is not a string.", "NAME_INVALID")
    if name in reserved or name.startswith(RESERVED_PREFIXES):
        return Problem(path, "is reserved, or begins with a reserved prefix.", "NAME_RESERVED")
    if not _name(name):
        return Problem(path, "is not letters, digits and underscores beginning with a letter.", "NAME_INVALID")
    if len(name) > MAX_NAME:
        return Problem(path, f"is longer than {MAX_NAME} characters.", "NAME_INVALID")
    return None


def _judge_time(holder: dict[str, Any], path: str, now: float, found: list[Problem], *, enforce: bool) -> None:
    time = holder.get("timestamp_micros")
    if time is None:
        return
    path = f"{path}timestamp_micros"
    if isinstance(time, str) and _digits(time) and len(time) < 20:  # int64 as a JSON string is proto3 JSON
        time = int(time)
    if type(time) is not int:
        found.append(Problem(path, "is not a whole number of microseconds.", "VALUE_INVALID"))
    elif time > now * 1_000_000 + MAX_AHEAD_MICROS:
        found.append(Problem(path, "has a timestamp in the future.", "VALUE_INVALID"))
    elif enforce and time < now * 1_000_000 - MAX_AGE_MICROS:
        found.append(Problem(path, "has a timestamp more than 72 hours in the past.", "VALUE_INVALID"))


def _judge_params(event_name: str, params: dict[str, Any], path: str, found: list[Problem]) -> None:
    if len(params) > MAX_PARAMS:
        found.append(Problem(path, f"has more than {MAX_PARAMS} parameters.", "EXCEEDED_MAX_ENTITIES"))
    for name, value in params.items():
        here = f"{path}.{name}"
        if problem := _name_problem(name, here, RESERVED_PARAMS):
            found.append(problem)
        if name == "items":
            _judge_items(value, here, found)
        elif problem := _value_problem(name, value, here):
            found.append(problem)
    found += [
        Problem(f"{path}.{name}", f"is required for {event_name}.", "VALUE_REQUIRED")
        for name in REQUIRED_PARAMS.get(event_name, ())
        if params.get(name) in (None, "", [])
    ]
    if params.get("transaction_id") == "" and event_name not in REQUIRED_PARAMS:
        found.append(Problem(f"{path}.transaction_id", "is empty.", "VALUE_INVALID"))
    _judge_money(event_name, params, path, found)
    for name, what in (
        ("session_id", "does not match ^\\d+$."),
        ("engagement_time_msec", "is not whole milliseconds."),
    ):
        if params.get(name) is not None and not _digits(str(params[name])):
            found.append(Problem(f"{path}.{name}", what, "VALUE_INVALID"))


def _judge_money(event_name: str, params: dict[str, Any], path: str, found: list[Problem]) -> None:
    value, currency = params.get("value"), params.get("currency")
    if value is not None and type(value) not in (int, float):
        found.append(Problem(f"{path}.value", "is not a number.", "VALUE_INVALID"))
    if value is not None and currency is None and "currency" not in REQUIRED_PARAMS.get(event_name, ()):
        found.append(Problem(f"{path}.currency", "is required where there is a value.", "VALUE_REQUIRED"))
    if currency is not None and not (isinstance(currency, str) and _currency(currency)):
        found.append(Problem(f"{path}.currency", "is not an ISO 4217 code in capitals.", "VALUE_INVALID"))


def _value_problem(name: str, value: object, path: str) -> Problem | None:
    if isinstance(value, str):
        limit = MAX_VALUES.get(name, MAX_VALUE)
        if len(value) > limit:
            return Problem(path, f"is longer than {limit} characters.", "VALUE_OUT_OF_BOUNDS")
    elif not isinstance(value, int | float):
        return Problem(path, "is neither a string nor a number.", "VALUE_INVALID")
    return None


def _judge_items(items: object, path: str, found: list[Problem]) -> None:
    if not isinstance(items, list):
        found.append(Problem(path, "is not a list.", "VALUE_INVALID"))
        return
    if len(items) > MAX_ITEMS:
        found.append(Problem(path, f"has more than {MAX_ITEMS} items.", "EXCEEDED_MAX_ENTITIES"))
    for i, item in enumerate(items):
        here = f"{path}[{i}]"
        if not isinstance(item, dict):
            found.append(Problem(here, "is not an object.", "VALUE_INVALID"))
            continue
        if not (item.get("item_id") or item.get("item_name")):
            found.append(Problem(here, "needs item_id or item_name.", "VALUE_REQUIRED"))
        if len(item.keys() - ITEM_PARAMS) > MAX_ITEM_CUSTOM_PARAMS:
            found.append(
                Problem(here, f"has more than {MAX_ITEM_CUSTOM_PARAMS} parameters of its own.", "EXCEEDED_MAX_ENTITIES")
            )
        for name, value in item.items():
            if problem := _value_problem(name, value, f"{here}.{name}"):
                found.append(problem)
