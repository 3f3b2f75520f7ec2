"""The settings: defaults, refusals in one sentence, and secrets that never print."""

from __future__ import annotations

import copy
import io
import json
import logging
import pprint
import traceback

import msgspec
import pytest
import rich.console
import rich.traceback
import structlog

from dispatcher.config.kinds import kinds
from dispatcher.config.settings import Secret, Settings, SettingsError, conninfo, variables
from dispatcher.config.variables import declared

PASSWORD = "pa55-w0rd"
SECRETS = {
    "OUTBOX_DATABASE_URL": f"postgresql://crm:{PASSWORD}@db:5432/crm",
    "META_CAPI_TOKEN": f"EAAB-{PASSWORD}",
    "GA4_API_SECRET": f"ga4-{PASSWORD}",
    "STRIPE_WEBHOOK_SECRET": f"whsec_{PASSWORD}",
    "OUTBOX_ALERT_URLS": f"tgram://{PASSWORD}/1",
    "OUTBOX_CONSOLE_TOKEN": f"console-{PASSWORD}",
}
VARIABLES = {field.metadata["variable"]: (None, field) for field in declared(Settings)} | {
    field.metadata["variable"]: (kind.name, field) for kind in kinds().values() for field in declared(kind.settings)
}


def read(**environment):
    return Settings.from_environment(environment)


def value_of(settings, variable):
    kind, field = VARIABLES[variable]
    return getattr(settings.of(kind) if kind else settings, field.name)


# What is read


def test_nothing_needs_to_be_set():
    settings = read()
    assert settings == Settings()
    assert (settings.of("meta").pixel_id, settings.of("meta").api_version) == ("1530042020969436", "v25.0")
    assert settings.of("meta").base_url == "https://graph.facebook.com"
    assert settings.of("ga4").measurement_id == "G-XLHMXGR17M"
    assert settings.of("ga4").base_url == "https://www.google-analytics.com"
    assert (settings.phone_region, settings.consent_default, settings.of("meta").test_code) == ("", "granted", "")
    assert (settings.retention_days, settings.person_days) == (90, 400)
    for variable in SECRETS:
        assert not value_of(settings, variable)


def test_every_variable_of_the_design_is_read_and_no_other():
    assert variables() == set(VARIABLES) == {
        "OUTBOX_DATABASE_URL", "OUTBOX_CONFIG", "META_CAPI_TOKEN", "META_CAPI_TEST_CODE", "GA4_API_SECRET", "META_PIXEL_ID",
        "META_API_VERSION", "META_CAPI_BASE_URL", "GA4_MEASUREMENT_ID", "GA4_MP_BASE_URL", "STRIPE_WEBHOOK_SECRET",
        "OUTBOX_PHONE_REGION", "OUTBOX_CONSENT_DEFAULT", "OUTBOX_LEAD_PREFIX", "OUTBOX_LEASE_SECONDS", "OUTBOX_RETENTION_DAYS",
        "OUTBOX_PERSON_DAYS", "OUTBOX_ALERT_URLS", "OUTBOX_CONSOLE_TOKEN",
    }  # fmt: skip
    assert read(PATH="/bin", OUTBOX_UNHEARD_OF="x") == Settings()


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_a_variable_that_is_empty_counts_as_absent(variable, value):
    assert read(**{variable: value}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        *((variable, value, Secret(value)) for variable, value in SECRETS.items()),
        ("OUTBOX_DATABASE_URL", "postgres://u@[::1]/d", Secret("postgres://u@[::1]/d")),
        ("OUTBOX_DATABASE_URL", "postgresql+psycopg://h/d", Secret("postgresql+psycopg://h/d")),
        ("OUTBOX_DATABASE_URL", "postgresql:///d?host=a,b", Secret("postgresql:///d?host=a,b")),
        ("META_CAPI_TEST_CODE", "TEST46298", "TEST46298"),
        ("META_PIXEL_ID", " 12345 ", "12345"),
        ("META_API_VERSION", "v26.0", "v26.0"),
        ("META_CAPI_BASE_URL", "http://127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("GA4_MP_BASE_URL", "https://region1.google-analytics.com", "https://region1.google-analytics.com"),
        ("GA4_MEASUREMENT_ID", "G-ABCD1234", "G-ABCD1234"),
        ("OUTBOX_PHONE_REGION", "CY", "CY"),
        ("OUTBOX_CONSENT_DEFAULT", "denied", "denied"),
        ("OUTBOX_LEASE_SECONDS", "5", 5),
        ("OUTBOX_LEASE_SECONDS", "3600", 3600),
        ("OUTBOX_RETENTION_DAYS", "8", 8),
        ("OUTBOX_PERSON_DAYS", "3650", 3650),
    ],
)
def test_a_good_value_is_taken(variable, value, expected):
    taken = value_of(read(**{variable: value}), variable)
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql://u:postgres://@h/d", "postgresql://u:postgres://@h/d"),
    ],
)
def test_an_address_is_brought_into_libpq_s_form(given, expected):
    assert conninfo(given) == expected


# What is refused

BAD_URLS = (
    *("graph.facebook.com", "ftp://graph.facebook.com", "https://", "https://x?y=1", "https://x#y", "https://[::1"),
    *(
        "https://x:port",
        "https://x:99999",
        f"https://user:{PASSWORD}@x",
        "https://x\ny",
        "https://x y",
        "https://x\x1b[0m",
    ),
)
BAD = {
    "OUTBOX_DATABASE_URL": (PASSWORD, f"mysql://crm:{PASSWORD}@db/crm", f"host=db password={PASSWORD}",
                            f"postgresql://crm:{PASSWORD}\n@db/crm"),
    **{variable: (f"{PASSWORD}\x00", f"{PASSWORD}\n{PASSWORD}", f"{PASSWORD}\udcff", f"\x1b[0m{PASSWORD}")
       for variable in SECRETS if variable != "OUTBOX_DATABASE_URL"},
    "OUTBOX_CONFIG": ("outbox\n.toml", "outbox\x00.toml"),
    "META_CAPI_TEST_CODE": ("a b", "x" * 65, "TEST;"),
    "META_PIXEL_ID": ("pixel", "123", "1" * 21, "١٢٣٤٥٦", "-12345"),
    "META_API_VERSION": ("25.0", "v25", "v25.0/", "latest", "v٢٥.0"),  # noqa: RUF001
    "META_CAPI_BASE_URL": BAD_URLS,
    "GA4_MP_BASE_URL": BAD_URLS,
    "GA4_MEASUREMENT_ID": ("UA-1234-1", "G-", "g-abcd1234", "G-ABCD 1234"),
    "OUTBOX_PHONE_REGION": ("Cyprus", "XX", "C", "357"),
    "OUTBOX_LEAD_PREFIX": ("lead prefix", "l" * 33, "läd:"),
    "OUTBOX_CONSENT_DEFAULT": ("yes", "GRANTED", "true"),
    "OUTBOX_LEASE_SECONDS": ("0", "4", "3601", "60s", "1.5", "-60", "٦٠", "9" * 10_000, "0x40"),
    "OUTBOX_RETENTION_DAYS": ("7", "3651", "ninety", "1e2"),
    "OUTBOX_PERSON_DAYS": ("7", "3651", "inf"),
}  # fmt: skip


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_in_one_sentence_that_names_the_variable_and_quotes_no_secret(variable, value):
    with pytest.raises(SettingsError) as caught:
        read(**SECRETS | {variable: value})
    sentence = str(caught.value)
    assert sentence.startswith(f"{variable}: ")
    assert sentence.isprintable()
    assert len(sentence) < 200
    assert ". " not in sentence
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_every_variable_that_can_be_wrong_was_tried():
    assert set(BAD) == set(VARIABLES)


# Secrets


@pytest.fixture
def settings():
    return read(**SECRETS)


def test_a_secret_gives_itself_only_when_it_is_asked_to(settings):
    assert settings.of("meta").token.reveal() == SECRETS["META_CAPI_TOKEN"]
    assert type(settings.of("meta").token.reveal()) is str
    assert bool(settings.of("meta").token)
    assert not Secret()
    assert settings.of("meta").token == Secret(SECRETS["META_CAPI_TOKEN"]) != Secret("other")
    assert settings.of("meta").token != SECRETS["META_CAPI_TOKEN"]
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert copy.deepcopy(settings) == settings


SHOWN = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "format with a width": lambda value: f"{value!s:>50} {value!r:>50}",
    "percent": lambda value: "%s %r %a" % (value, value, value),  # noqa: UP031
    "ascii": ascii,
    "pprint": pprint.pformat,
    "in a list": lambda value: f"{[value]} {(value,)} { ({'a': value}) }",
    "print": lambda value: _written(lambda file: print(value, [value], file=file)),
    "rich": lambda value: _written(lambda file: rich.console.Console(file=file).print(value, [value], {"a": value})),
    "json with a fallback": lambda value: json.dumps({"a": value}, default=repr),
    "structlog to JSON": lambda value: structlog.processors.JSONRenderer()(None, "", {"event": "x", "a": value}),
    "structlog to a console": lambda value: structlog.dev.ConsoleRenderer()(None, "", {"event": "x", "a": value}),
    "structlog to logfmt": lambda value: structlog.processors.KeyValueRenderer()(None, "", {"event": "x", "a": value}),
    "an exception": lambda value: "".join(traceback.format_exception(ValueError(value))),
}


def _written(write):
    file = io.StringIO()
    write(file)
    return file.getvalue()


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_secret_never_prints(settings, show):
    for value in (settings, settings.of("meta").token, settings.database_url, {"a": settings}, [settings.alert_urls]):
        shown = show(value)
        assert PASSWORD not in shown
        assert "***" in shown


def test_a_secret_is_neither_json_nor_text(settings):
    for encode in (json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            encode({"a": settings.of("meta").token})
    with pytest.raises(TypeError):
        str.join("", [settings.of("meta").token])
    with pytest.raises(TypeError):
        "a" + settings.of("meta").token


def test_a_secret_is_in_no_log(settings, caplog):
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("crm").info(
            "%s %r", settings, settings.of("meta").token, extra={"token": settings.of("meta").token}
        )
        logging.getLogger("crm").debug(settings.database_url)
    assert PASSWORD not in caplog.text
    assert "***" in caplog.text


def test_a_secret_is_in_no_traceback_that_shows_the_locals(settings):
    def fail():
        token = settings.of("meta").token
        everything = settings
        raise ValueError([token, everything])

    with pytest.raises(ValueError, match=r"\*\*\*") as caught:
        fail()
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "token = '***'" in shown
    assert PASSWORD not in shown
    picture = rich.traceback.Traceback.from_exception(
        type(caught.value), caught.value, caught.value.__traceback__, show_locals=True
    )
    shown = _written(lambda file: rich.console.Console(file=file, width=500).print(picture))
    assert "token = " in shown
    assert PASSWORD not in shown


def test_all_variables_that_hold_a_secret_are_secrets():
    assert {variable for variable, (_, field) in VARIABLES.items() if field.type == "Secret"} == set(SECRETS)
