"""Sealing compared with Meta's own libraries: the same except for a table of differences with their reasons.

The business SDK runs here. Of the parameter builder only the Node.js package (and its siblings for browsers, Java and
PHP) normalises personal data; the Python package does not, so what `getNormalizedAndHashedPII` of
capi-param-builder-nodejs gave for each input is recorded in `parameter_builder.json`, without the appendix. The Python
package serves as the oracle for appendices.
"""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from capi_param_builder import ParamBuilder
from capi_param_builder.param_builder import SUPPORTED_LANGUAGES_TOKENS
from facebook_business.adobjects.serverside.normalize import Normalize

from outbox.sealing import seal
from tests.unit.outbox.oracle_differences import BUILDER_DIFFERS, SDK_DIFFERS, Row

RECORDED = json.loads(Path(__file__).with_name("parameter_builder.json").read_text())["forms"]
INPUTS = [(key, value) for key, forms in RECORDED.items() for value in forms]
FIELDS = {
    "em": "email",
    "ph": "phone",
    "fn": "first_name",
    "ln": "last_name",
    "ct": "city",
    "st": "state",
    "zp": "postal_code",
    "country": "country",
    "db": "date_of_birth",
    "ge": "gender",
}


def of_ours(key: str, value: str) -> str | None:
    digests = seal({FIELDS[key]: value}, region="US").meta.get(key)
    return digests and digests[0]


def of_sdk(key: str, value: str) -> str | None:
    try:
        return Normalize.normalize_field(key, value)
    except (TypeError, ValueError):
        return None


def of_builder(key: str, value: str) -> str | None:
    return digest(RECORDED[key][value])


def digest(form: str | None) -> str | None:
    """Return the hash of a normal form in the notation of the tables."""
    if form is None or form.startswith("#"):
        return form and form.removeprefix("#")
    return sha256(form.encode()).hexdigest()


ORACLES = {"sdk": (of_sdk, SDK_DIFFERS), "builder": (of_builder, BUILDER_DIFFERS)}


def rows(differs: dict[str, list[Row]]) -> dict[tuple[str, str], Row]:
    return {(row[0], row[1]): row for group in differs.values() for row in group}


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize(("key", "value"), INPUTS)
def test_agrees_with_the_oracle_unless_the_table_lists_a_difference(oracle, key, value):
    of_theirs, differs = ORACLES[oracle]
    ours, theirs = of_ours(key, value), of_theirs(key, value)

    row = rows(differs).get((key, value))

    if row is None:
        assert ours == theirs
    else:
        assert ours != theirs, "no difference any more: the row has to go"
        assert (theirs, ours) == (digest(row[2]), digest(row[3]))


@pytest.mark.parametrize("oracle", ORACLES)
def test_every_row_of_the_table_is_about_an_input_and_the_only_one(oracle):
    _, differs = ORACLES[oracle]
    listed = [(row[0], row[1]) for group in differs.values() for row in group]

    assert len(listed) == len(set(listed))
    assert set(listed) <= set(INPUTS)


def test_every_field_is_compared_over_a_score_of_inputs():
    assert {key: len(forms) for key, forms in RECORDED.items() if len(forms) < 20} == {}
    assert RECORDED.keys() == FIELDS.keys()


def test_every_appendix_of_the_parameter_builder_is_kept():
    builder = ParamBuilder()
    appendices = [builder.appendix_net_new, builder.appendix_modified_new, builder.appendix_no_change]
    for appendix in [*appendices, *SUPPORTED_LANGUAGES_TOKENS]:
        hashed = f"{'0a' * 32}.{appendix}"
        assert seal({"email": hashed}).meta == {"em": [hashed]}


def test_the_parameter_builder_for_python_still_normalises_nothing():
    """Once it does, the library itself can replace the recorded results."""
    assert not [name for name in dir(ParamBuilder) if "pii" in name.lower() or "normalized" in name.lower()]
