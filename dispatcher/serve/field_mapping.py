"""What the fields of a form mean, by its configuration and the common names. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import outbox
from dispatcher.config.default_forms import Form
from dispatcher.serve.body import Fields
from dispatcher.serve.person_names import split_name
from outbox.normalization import LONGEST, cleaned
from outbox.personal_data import is_email

_YES = frozenset({"on", "yes", "true", "1", "granted", "y"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a form told. `problems` says for each field at fault what is wrong, and never quotes it."""

    traits: dict[str, str] = field(default_factory=dict, repr=False)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    details: dict[str, Any] = field(default_factory=dict, repr=False)
    consent: dict[str, str] | None = None
    problems: dict[str, str] = field(default_factory=dict)

    def person(self) -> outbox.Person | None:
        """Give whom it is about, if it tells anything of them."""
        return outbox.Person(**self.traits) if self.traits else None


def understand(form: Form, fields: Fields) -> Submission:
    """Give what `fields` mean on `form`. Of several fields that mean the same, the first that is filled in counts."""
    told: dict[str, str] = {}
    for name, values in fields.items():
        target = form.target(name)
        if target:
            told.setdefault(target, ", ".join(values) if target.startswith("details.") else values[0])
    details = {**form.fixed_details(), **_details(told)}
    return Submission(
        traits=_traits(told),
        keys={name: told[name] for name in ("lead_id", "account_id", "handl_id") if name in told},
        details=details,
        consent=_consent(form, fields),
        problems=_problems(form, fields),
    )


def _traits(told: dict[str, str]) -> dict[str, str]:
    traits = {key.removeprefix("person."): value for key, value in told.items() if key.startswith("person.")}
    first, last = split_name(traits.pop("name", ""))
    for name, value in (("first_name", first), ("last_name", last)):
        if value:
            traits.setdefault(name, value)
    return traits


def _details(told: dict[str, str]) -> dict[str, Any]:
    details: dict[str, Any] = {
        key.removeprefix("details."): value for key, value in told.items() if key.startswith("details.")
    }
    if "value" in details:  # what is no amount must not take the place of the form's own
        try:
            amount = float(details.pop("value"))
        except ValueError:
            return details
        if math.isfinite(amount):
            details["value"] = amount
    return details


def _consent(form: Form, fields: Fields) -> dict[str, str] | None:
    """Give what the form's own checkbox says: one that is not ticked is not sent."""
    if form.consent is None:
        return None
    said = "granted" if fields.get(form.consent, [""])[0].strip().lower() in _YES else "denied"
    return {"ad_user_data": said, "ad_personalization": said}


def _problems(form: Form, fields: Fields) -> dict[str, str]:
    problems: dict[str, str] = {}
    for name in form.required:
        value = fields.get(name, [""])[0].strip()
        if not value:
            problems[name] = "missing"
        elif form.target(name) == "person.email" and not _is_email(value):
            problems[name] = "no e-mail address"
    return problems


def _is_email(value: str) -> bool:
    """Return whether sealing finds an address in `value`; spaces inside it are forgiven, as there."""
    return len(value) <= LONGEST and is_email(cleaned(value).replace(" ", "").lower())
