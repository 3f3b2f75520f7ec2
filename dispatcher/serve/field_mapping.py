"""Maps the fields of a form to a conversion, by the form's configuration and common field names. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import outbox
from dispatcher.config.default_forms import Form
from dispatcher.serve.body import Fields
from dispatcher.serve.person_names import split_name
from outbox.consent import AD_PERSONALIZATION, AD_USER_DATA
from outbox.money import read_amount, read_currency
from outbox.normalization import LONGEST, cleaned
from outbox.personal_data import is_email

_YES = frozenset({"on", "yes", "true", "1", "granted", "y"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The content of a submitted form. `problems` maps each field at fault to what is wrong, without its value."""

    traits: dict[str, str] = field(default_factory=dict, repr=False)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    details: dict[str, Any] = field(default_factory=dict, repr=False)
    consent: dict[str, str] | None = None
    problems: dict[str, str] = field(default_factory=dict)

    def person(self) -> outbox.Person | None:
        """Return the person, or None if the form contains no personal data."""
        return outbox.Person(**self.traits) if self.traits else None


def understand(form: Form, fields: Fields) -> Submission:
    """Return what `fields` mean on `form`. Of several fields with the same meaning, the first non-empty one counts."""
    values_by_target: dict[str, str] = {}
    for name, values in fields.items():
        target = form.target(name)
        if target:
            value = ", ".join(values) if target.startswith("details.") else values[0]
            values_by_target.setdefault(target, value)
    return Submission(
        traits=_traits(values_by_target),
        keys={
            name: values_by_target[name] for name in ("lead_id", "account_id", "handl_id") if name in values_by_target
        },
        details=_details(form, values_by_target),
        consent=_consent(form, fields),
        problems=_problems(form, fields),
    )


def _traits(targets: dict[str, str]) -> dict[str, str]:
    traits = {key.removeprefix("person."): value for key, value in targets.items() if key.startswith("person.")}
    first, last = split_name(traits.pop("name", ""))
    for name, value in (("first_name", first), ("last_name", last)):
        if value:
            traits.setdefault(name, value)
    return traits


def _details(form: Form, targets: dict[str, str]) -> dict[str, Any]:
    """Return what the visitor stated, and what the form is configured to add where nothing was stated.

    An amount is stated with its currency: the form's own is not combined with another one. What cannot be read stays as it
    is: it is noted when it is recorded, and never replaced.
    """
    stated: dict[str, Any] = {
        key.removeprefix("details."): value
        for key, value in targets.items()
        if key.startswith("details.") and value.strip()
    }
    fixed = form.fixed_details()
    if "currency" in stated and read_currency(stated["currency"]) != fixed.get("currency"):
        fixed.pop("value", None)
    if "value" in stated and (amount := read_amount(stated["value"])) is not None:
        stated["value"] = amount
    return {**fixed, **stated}


def _consent(form: Form, fields: Fields) -> dict[str, str] | None:
    """Return the consent of the form's checkbox. A browser does not send a checkbox that is not ticked."""
    if form.consent is None:
        return None
    state = "granted" if fields.get(form.consent, [""])[0].strip().lower() in _YES else "denied"
    return dict.fromkeys((AD_USER_DATA, AD_PERSONALIZATION), state)


def _problems(form: Form, fields: Fields) -> dict[str, str]:
    problems: dict[str, str] = {}
    for name in form.required:
        value = fields.get(name, [""])[0].strip()
        if not value:
            problems[name] = "missing"
        elif form.target(name) == "person.email" and not _is_email(value):
            problems[name] = "not an e-mail address"
    return problems


def _is_email(value: str) -> bool:
    """Return whether sealing finds an address in `value`; spaces inside it are forgiven, as there."""
    return len(value) <= LONGEST and is_email(cleaned(value).replace(" ", "").lower())
