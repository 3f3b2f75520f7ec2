"""`[forms.<name>]`, `[serve]` and `[stripe]`: what `outbox serve` accepts, from where, and how it is read."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

from dispatcher.config.default_forms import DETAIL, FORMS, TARGETS, Form
from dispatcher.config.models import Serve, Stripe
from dispatcher.config.toml_lines import Path
from dispatcher.config.toml_tables import (
    FileTable,
    FormTable,
    Problems,
    ServeTable,
    StripeTable,
    check_money,
    check_name,
    check_scalar,
    one_of,
    suggestion,
)
from dispatcher.config.web_origin import location, origin_of

_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_METADATA_KEY = re.compile(r"[^\[\]\s]{1,40}")


def read(table: FileTable, problems: Problems, steps: set[str]) -> list[Form]:
    """Return the forms; `steps` are the names of the funnel's steps."""
    # A default form is of no use to a funnel without its step.
    forms = {form.name: form for form in FORMS if table.defaults and form.step in steps}
    for name, value in table.forms.items():
        where: Path = ("forms", name)
        check_name(problems, where, "form")
        if form := _form(where, value, problems, steps):
            forms[name] = form
    return list(forms.values())


def _form(where: Path, value: object, problems: Problems, steps: set[str]) -> Form | None:
    table = problems.typed(where, value, FormTable)
    if table is None:
        return None
    if table.step not in steps:
        # If the step comes from the default, the reported line is the form's first.
        problems.add((*where, "step"), f"there is no step {table.step}; {suggestion(table.step, sorted(steps))}")
    check_money(problems, where, table.value, table.currency)
    for name, detail in table.details.items():
        _check_detail((*where, "details", name), detail, problems)
    for name, target in table.fields.items():
        if target not in TARGETS and not (isinstance(target, str) and DETAIL.fullmatch(target)):
            problems.add((*where, "fields", name), f"expected {one_of((*TARGETS, 'details.<name>'))}")
    redirect = None if table.redirect is None else location(table.redirect, {origin_of(table.redirect) or ""})
    if table.redirect is not None and redirect is None:
        problems.add((*where, "redirect"), "expected an address such as https://www.example.com/thank-you, or a path")
    return Form(
        name=str(where[-1]),
        step=table.step,
        product=table.product,
        content_category=table.content_category,
        value=table.value,
        currency=table.currency,
        details=table.details,
        fields=table.fields,
        required=tuple(table.required),
        consent=table.consent,
        honeypot=table.honeypot,
        redirect=redirect,
    )


def _check_detail(where: Path, detail: Any, problems: Problems) -> None:
    if not DETAIL.fullmatch(f"details.{where[-1]}"):
        problems.add(where, "expected letters A to Z, digits and _, beginning with a letter, at most 40 characters")
    check_scalar(problems, where, detail)


def read_serve(table: FileTable, problems: Problems) -> Serve:
    """Return the settings of `outbox serve`."""
    stated = problems.typed(("serve",), table.serve, ServeTable) or ServeTable()
    for index, network in enumerate(stated.trusted_proxies or ()):
        if not _is_network(network):
            problems.add(("serve", "trusted_proxies", index), "expected a network, such as 10.0.0.0/8")
    for index, header in enumerate(stated.ip_headers or ()):
        if not _HEADER.fullmatch(header):
            problems.add(("serve", "ip_headers", index), "expected the name of a header, such as X-Forwarded-For")
    origins = [_origin(("serve", "origins", index), text, problems) for index, text in enumerate(stated.origins or ())]
    defaults = Serve()
    return Serve(
        origins=None if stated.origins is None else frozenset(origins),
        trusted_proxies=defaults.trusted_proxies if stated.trusted_proxies is None else tuple(stated.trusted_proxies),
        ip_headers=defaults.ip_headers if stated.ip_headers is None else tuple(stated.ip_headers),
    )


def read_stripe(table: FileTable, problems: Problems) -> Stripe:
    """Return how Stripe's events are read."""
    stated = problems.typed(("stripe",), table.stripe, StripeTable) or StripeTable()
    keys = {"account_key": stated.account_key, "handl_key": stated.handl_key, "product_key": stated.product_key}
    for field, key in keys.items():
        if not _METADATA_KEY.fullmatch(key):
            problems.add(("stripe", field), "expected a key of Stripe's metadata: 1 to 40 characters, without brackets")
    return Stripe(**keys, client_reference=stated.client_reference, trials=stated.trials)


def _origin(where: Path, address: str, problems: Problems) -> str:
    origin = origin_of(address)
    if origin is None or address.rstrip("/").count("/") != 2:
        problems.add(where, "expected scheme and host of your pages, such as https://www.example.com")
    return origin or ""


def _is_network(text: str) -> bool:
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False
