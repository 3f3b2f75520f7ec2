"""The configuration: the defaults without a file, what a file may contain, and that a mistake is reported with its line."""

from __future__ import annotations

import re
import textwrap
import tomllib
from dataclasses import asdict

import pytest

from dispatcher.config import Account, Config, ConfigError, Serve, find, load
from dispatcher.config.default_forms import COMMON_NAMES, DETAIL, FORMS, TARGETS, Form, common_target
from dispatcher.config.funnel import ACTION_SOURCES
from dispatcher.config.kinds import kinds, parameter_problem
from dispatcher.config.models import default_steps
from dispatcher.config.settings import Secret, Settings
from dispatcher.destinations import registry
from dispatcher.destinations.ga4.event_names import is_parameter
from dispatcher.sandbox.ga4 import rules as ga4_rules
from dispatcher.sandbox.meta import rules as meta_rules
from outbox.stripe import Rules
from outbox.taxonomy import FUNNEL, Step, Target
from tests.support.paths import ROOT

EXAMPLE = ROOT / "outbox.example.toml"


@pytest.fixture
def read(tmp_path):
    """Read a configuration from its text."""

    def read(text, **environment):
        path = tmp_path / "outbox.toml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load(path, environment)

    return read


def steps(config):
    return {step.name: step for step in config.steps}


# Without a file, and the example


def test_without_a_file_everything_is_the_owner_s(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = find("", {})
    assert config == Config()
    assert (config.path, config.steps, config.forms, config.serve) == (
        None,
        default_steps(["meta", "ga4"]),
        FORMS,
        Serve(),
    )
    assert all(step.targets.keys() == {"meta", "ga4"} for step in config.steps if step.name != "signed_in")
    assert config.destinations() == [("meta", "meta"), ("ga4", "ga4")]


def test_the_example_is_the_default_written_out():
    assert tomllib.loads(EXAMPLE.read_text("utf-8"))["defaults"] is False  # so nothing of it comes from the default
    config = load(EXAMPLE, {})
    default = Config()
    assert config.steps == default.steps
    assert config.accounts == default.accounts
    assert config.serve == default.serve
    assert config.stripe == default.stripe
    assert config.forms[: len(FORMS)] == FORMS
    assert [form.name for form in config.forms[len(FORMS) :]] == ["example-webinar"]


def test_what_the_example_says_in_comments_is_in_order_too(read):
    text = EXAMPLE.read_text("utf-8")
    commented = re.sub(
        r"(?m)^# (?=\[destinations\.|kind|like|pixel_id|token_env|test_code_env|measure|secret_env)", "", text
    )
    commented = commented.replace('# origins = ["', 'origins = ["')
    config = read(commented, META_DEALERS_TOKEN="t")
    assert [account.name for account in config.accounts] == ["meta", "ga4", "dealers", "shop"]
    assert all(step.targets.get("dealers") == step.targets.get("meta") for step in config.steps)
    assert config.serve.origins == {"https://www.example.com", "https://landing.example.com"}


def test_the_configuration_in_the_documentation_is_in_order(read):
    (text,) = re.findall(r"```toml\n(.*?)```", (EXAMPLE.parent / "docs" / "forms.md").read_text("utf-8"), re.DOTALL)
    config = read(text)
    assert config.forms[-1].name == "partner-enquiry"
    assert config.serve.origins


def test_the_file_in_the_folder_is_found_and_the_one_that_is_named_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outbox.toml").write_text("[steps.here]")
    (tmp_path / "other.toml").write_text("[steps.there]")
    assert "here" in steps(find("", {}))
    assert "there" in steps(find("other.toml", {}))
    assert "here" not in steps(find(str(tmp_path / "other.toml"), {}))


# What a file may say


def test_a_file_adds_to_the_defaults_and_replaces_what_has_the_same_name(read):
    config = read(
        """
        [steps.webinar_joined]
        to.meta = "Webinar"

        [steps.lead_submitted]
        to = { ga4 = "lead" }

        [forms.demo]
        product = "x"
        """
    )
    assert len(config.steps) == len(FUNNEL) + 1
    assert steps(config)["webinar_joined"] == Step(
        name="webinar_joined", targets={"meta": Target(event_name="Webinar")}
    )
    assert steps(config)["lead_submitted"] == Step(name="lead_submitted", targets={"ga4": Target(event_name="lead")})
    assert Form(name="demo", product="x") in config.forms
    assert len(config.forms) == len(FORMS)


def test_another_company_s_funnel_has_nothing_of_the_default(read):
    config = read(
        """
        defaults = false

        [destinations.ga4]
        kind = "ga4"

        [steps.quote_accepted]
        to.ga4 = { name = "close_convert_lead", parameters = { stage = "won", rank = 2 } }
        parameters = { stage = "open", source = "crm" }
        value = 100
        currency = "USD"
        action_source = "physical_store"
        browser_pair = true
        """
    )
    assert config.steps == (
        Step(
            name="quote_accepted",
            targets={
                "ga4": Target(event_name="close_convert_lead", parameters={"stage": "won", "source": "crm", "rank": 2})
            },
            action_source="physical_store",
            browser_pair=True,
            value=100,
            currency="USD",
        ),
    )
    assert config.destinations() == [("ga4", "ga4")]
    assert config.forms == ()


def test_a_form_of_the_default_goes_with_its_step(read):
    config = read('[steps.lead_submitted]\nto.meta = "Lead"')
    assert {form.name for form in config.forms} == {form.name for form in FORMS}
    config = read('defaults = false\n[steps.won]\n[forms.a]\nstep = "won"')
    assert [form.name for form in config.forms] == ["a"]


def test_a_second_pixel_gets_the_same_events_or_those_a_step_names(read):
    config = read(
        """
        [destinations.dealers]
        kind = "meta"
        like = "meta"
        pixel_id = 1234567890
        token_env = "DEALERS_TOKEN"
        test_code_env = "DEALERS_CODE"

        [steps.lead_submitted]
        to = { meta = "Lead", ga4 = "generate_lead", dealers = "Contact" }

        [steps.trial_started]
        to = { meta = "StartTrial", dealers = false }
        """,
        DEALERS_TOKEN="dealers-token",
        DEALERS_CODE="TEST1",
    )
    routes = {name: step.targets.get("dealers") for name, step in steps(config).items()}
    assert routes["lead_submitted"] == Target(event_name="Contact")
    assert routes["trial_started"] is None
    assert routes["subscription_purchased"] == Target(event_name="Purchase")
    settings = Settings.from_environment({"META_CAPI_TOKEN": "token", "META_CAPI_TEST_CODE": "TEST0"})
    dealers = config.account("dealers").settings(settings)
    assert (dealers.pixel_id, dealers.token, dealers.test_code) == (
        "1234567890",
        Secret("dealers-token"),
        "TEST1",
    )
    assert config.account("meta").settings(settings) == settings.of("meta")
    assert "dealers-token" not in repr(config)


def test_without_its_own_token_a_pixel_takes_the_environment_s_but_never_its_test_code(read):
    config = read('[destinations.dealers]\nkind = "meta"\npixel_id = "1234567890"')
    settings = Settings.from_environment({"META_CAPI_TOKEN": "token", "META_CAPI_TEST_CODE": "TEST0"})
    applied = config.account("dealers").settings(settings)
    assert (applied.token, applied.test_code) == (Secret("token"), "")


def test_a_token_that_is_not_set_is_missing_and_not_somebody_else_s(read):
    config = read('[destinations.dealers]\nkind = "meta"\npixel_id = "1234567890"\ntoken_env = "DEALERS_TOKEN"')
    settings = Settings.from_environment({"META_CAPI_TOKEN": "token"})
    assert registry.create("meta", "dealers", settings, config).missing() == "DEALERS_TOKEN"
    assert registry.create("meta", "meta", settings, config).missing() is None


def test_a_second_stream(read):
    config = read(
        '[destinations.shop]\nkind = "ga4"\nmeasurement_id = "G-SHOP12345"\nsecret_env = "SHOP_SECRET"', SHOP_SECRET="s"
    )
    applied = config.account("shop").settings(Settings())
    assert (applied.measurement_id, applied.secret) == ("G-SHOP12345", Secret("s"))


def test_the_settings_of_serve(read):
    config = read(
        """
        [serve]
        origins = ["https://WWW.example.com", "http://localhost:3000/"]
        trusted_proxies = []
        ip_headers = ["X-Real-IP"]
        """
    )
    assert config.serve.origins == {"https://www.example.com", "http://localhost:3000"}
    assert (config.serve.trusted_proxies, config.serve.ip_headers) == ((), ("X-Real-IP",))


def test_a_file_from_windows_is_read(tmp_path):
    path = tmp_path / "outbox.toml"
    path.write_bytes('\ufeff[steps.won]\r\nto.meta = "lead"\r\n'.encode())
    with pytest.raises(ConfigError, match=r"line 2, steps\.won\.to\.meta"):
        load(path, {})


def test_stripe_s_rules_are_those_of_the_package(read):
    assert asdict(Config().stripe) == asdict(Rules())
    config = read('[stripe]\naccount_key = "crm"\nclient_reference = "neither"\ntrials = true')
    assert Rules(**asdict(config.stripe)) == Rules(account_key="crm", client_reference="neither", trials=True)


# Mistakes: the text (the line at fault is marked), the field, and what the message says

PIXEL = '[destinations.second]\nkind = "meta"\n'
STEP = "[steps.won]\n"
FORM = "[forms.f]\n"
MISTAKES = {
    "no TOML": ("[steps\n", 1, "", "not valid TOML"),
    "no TOML further down": ("[steps.won]\n\nto = {", 3, "", "not valid TOML"),
    "a table twice": ("[steps.won]\n[steps.won]\n", 2, "", "not valid TOML"),
    "unknown table": ("defaults = true\n[stepps.won]\n", 2, "stepps", "did you mean steps?"),
    "defaults": ('defaults = "no"\n', 1, "defaults", "expected true or false"),
    "steps is no table": ("steps = 3\n", 1, "steps", "expected a table"),
    "a step is no table": ("[steps]\nwon = 3\n", 2, "steps.won", "expected a table"),
    "no step at all": ("\ndefaults = false\n", 1, "steps", "there are no steps"),
    "a step's name": ('[steps."we won!"]\n', 1, 'steps."we won!"', "letters A to Z"),
    "a step's field": (STEP + 'value = 1\ncurency = "EUR"\n', 3, "steps.won.curency", "did you mean currency?"),
    "a value that is text": (STEP + 'currency = "EUR"\nvalue = "1"\n', 3, "steps.won.value", "expected a number"),
    "a value without currency": (STEP + "value = 1\n", 2, "steps.won.value", "needs a currency"),
    "a negative value": (STEP + 'currency = "EUR"\nvalue = -1\n', 3, "steps.won.value", "amount of money"),
    "no number": (STEP + 'value = nan\ncurrency = "EUR"\n', 2, "steps.won.value", "amount of money"),
    "currency": (STEP + 'currency = "EURO"\n', 2, "steps.won.currency", "ISO 4217"),
    "currency in small letters": (STEP + 'currency = "eur"\n', 2, "steps.won.currency", "ISO 4217"),
    "action_source": (STEP + 'action_source = "web"\n', 2, "steps.won.action_source", "website"),
    "browser_pair": (STEP + "browser_pair = 1\n", 2, "steps.won.browser_pair", "expected true or false"),
    "unknown destination": (STEP + 'to.mta = "Lead"\n', 2, "steps.won.to.mta", "did you mean meta?"),
    "a name that is no text": (STEP + "to.meta = 3\n", 2, "steps.won.to.meta", "expected the event's name"),
    "a list of names": (STEP + 'to.meta = ["Lead"]\n', 2, "steps.won.to.meta", "expected the event's name"),
    "a target without name": (STEP + "to.meta = { parameters = {} }\n", 2, "steps.won.to.meta.name", "missing"),
    "a target's field": (
        STEP + 'to.meta = { name = "Lead", params = {} }\n', 2, "steps.won.to.meta.params", "parameters",
    ),
    "a standard name misspelt": (STEP + 'to.meta = "lead"\n', 2, "steps.won.to.meta", "spelled Lead"),
    "likewise in a table": (
        STEP + '[steps.won.to.meta]\nname = "start_trial"\n', 3, "steps.won.to.meta.name", "spelled StartTrial",
    ),
    "a custom name too long": (STEP + f'to.meta = "{"x" * 51}"\n', 2, "steps.won.to.meta", "50 characters"),
    "an empty name": (STEP + 'to.meta = ""\n', 2, "steps.won.to.meta", "printable characters"),
    "a GA4 name too long": (STEP + f'to.ga4 = "{"x" * 41}"\n', 2, "steps.won.to.ga4", "40 characters"),
    "a reserved GA4 name": (STEP + 'to.ga4 = "session_start"\n', 2, "steps.won.to.ga4", "reserves this name"),
    "a reserved beginning": (STEP + 'to.ga4 = "ga_lead"\n', 2, "steps.won.to.ga4", "reserves names that begin"),
    "a GA4 name with a space": (STEP + 'to.ga4 = "my lead"\n', 2, "steps.won.to.ga4", "letters A to Z"),
    "a reserved parameter": (
        STEP + 'parameters = { a = 1, ga_id = "x" }\n', 2, "steps.won.parameters.ga_id", "reserves names that begin",
    ),
    "a parameter's value": (
        STEP + 'to.ga4 = { name = "won", parameters = { list = [1] } }\n', 2, "steps.won.to.ga4.parameters.list", "a text",
    ),
    "a parameter too long": (
        STEP + f'parameters = {{ a = "{"x" * 101}" }}\n', 2, "steps.won.parameters.a", "1 to 100 characters",
    ),
    "a destination without kind": ("[destinations.second]\n", 1, "destinations.second.kind", "expected meta or ga4"),
    "an unknown kind": ('[destinations.x]\nkind = "tiktok"\n', 2, "destinations.x.kind", "expected meta or ga4"),
    "a kind that is no text": ("[destinations.x]\nkind = []\n", 2, "destinations.x.kind", "expected meta or ga4"),
    "a name that is another kind": ('[destinations.ga4]\nkind = "meta"\n', 2, "destinations.ga4.kind", "must be of kind"),
    "the same pixel": (PIXEL, 1, "destinations.second.pixel_id", "get every event twice"),
    "the environment's pixel": (
        PIXEL + 'pixel_id = "1530042020969436"\n', 3, "destinations.second.pixel_id", "get every event twice",
    ),
    "a pixel's number": (PIXEL + 'pixel_id = "12x"\n', 3, "destinations.second.pixel_id", "the pixel's number"),
    "a stream's id": (
        '[destinations.s]\nkind = "ga4"\nmeasurement_id = "UA-1"\n', 3, "destinations.s.measurement_id", "G-XLHMXGR17M",
    ),
    "a pixel's field at GA4": (
        '[destinations.s]\nkind = "ga4"\npixel_id = "1"\n', 3, "destinations.s.pixel_id", "measurement_id",
    ),
    "a secret in the file": (
        PIXEL + 'pixel_id = "12345"\ntoken = "EAAB-pa55"\n', 4, "destinations.second.token", "do not belong in this file",
    ),
    "a secret for its variable": (
        PIXEL + 'pixel_id = "12345"\ntoken_env = "EAAB-pa55"\n', 4, "destinations.second.token_env", "name of an environment",
    ),
    "like nobody": (
        PIXEL + 'pixel_id = "12345"\nlike = "mtea"\n', 4, "destinations.second.like", "did you mean meta?",
    ),
    "like another kind": (PIXEL + 'pixel_id = "12345"\nlike = "ga4"\n', 4, "destinations.second.like", "of kind ga4"),
    "like itself": (PIXEL + 'pixel_id = "12345"\nlike = "second"\n', 4, "destinations.second.like", "another destination"),
    "a form's step": (FORM + 'step = "lead_submited"\n', 2, "forms.f.step", "did you mean lead_submitted?"),
    "a form's default step": (
        'defaults = false\n[steps.won]\n\n[forms.f]\nproduct = "x"\n', 4, "forms.f.step", "expected won",
    ),
    "a form's name": ('[forms."a/b"]\n', 1, 'forms."a/b"', "letters A to Z"),
    "a form's target": (
        FORM + 'fields.mail = "person.mail"\n', 2, "forms.f.fields.mail", "person.email",
    ),
    "a target of a quoted field": (
        FORM + '[forms.f.fields]\nok = "lead_id"\n"your mail" = 3\n', 4, 'forms.f.fields."your mail"', "person.email",
    ),
    "a form's detail": (FORM + "details = { a-b = 1 }\n", 2, "forms.f.details.a-b", "letters A to Z"),
    "a form's value": (FORM + "value = 3\n", 2, "forms.f.value", "needs a currency"),
    "required": (FORM + 'required = ["a", 3]\n', 2, "forms.f.required.1", "expected a text"),
    "a redirect": (FORM + 'redirect = "//evil.example"\n', 2, "forms.f.redirect", "https://www.example.com"),
    "a redirect of another scheme": (FORM + 'redirect = "javascript:x"\n', 2, "forms.f.redirect", "https://"),
    "an origin with a path": (
        '[serve]\norigins = [\n  "https://a.example",\n  "https://b.example/c",\n]\n', 4, "serve.origins.1", "scheme and host",
    ),
    "any origin": ('[serve]\norigins = ["*"]\n', 2, "serve.origins.0", "scheme and host"),
    "a network": ('[serve]\ntrusted_proxies = ["10.0.0.0/99"]\n', 2, "serve.trusted_proxies.0", "10.0.0.0/8"),
    "a header": ('[serve]\nip_headers = ["X Forwarded"]\n', 2, "serve.ip_headers.0", "X-Forwarded-For"),
    "serve's field": ("[serve]\nport = 80\n", 2, "serve.port", "origins"),
    "what a reference is": ('[stripe]\nclient_reference = "x"\n', 2, "stripe.client_reference", "account_id, handl_id or neither"),
    "a key of metadata": ('[stripe]\naccount_key = "a[b]"\n', 2, "stripe.account_key", "1 to 40 characters"),
    "trials": ('[stripe]\ntrials = "yes"\n', 2, "stripe.trials", "expected true or false"),
    "serve is a list": ("serve = []\n", 1, "serve", "expected a table"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "field", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_reported_with_file_line_and_field(read, text, line, field, says):
    with pytest.raises(ConfigError) as error:
        read(text)
    (message,) = str(error.value).splitlines()
    assert re.match(rf".*outbox\.toml, line {line}{re.escape(field and f', {field}')}: ", message), message
    assert says in message
    assert "pa55" not in message


def test_all_mistakes_are_reported_at_once_from_top_to_bottom(read):
    with pytest.raises(ConfigError) as error:
        read(
            """\
            [forms.f]
            step = "won"

            [steps.lost]
            to.meta = "lead"
            value = 1
            """
        )
    assert [line.partition(": ")[0].partition("outbox.toml, ")[2] for line in str(error.value).splitlines()] == [
        "line 2, forms.f.step",
        "line 5, steps.lost.to.meta",
        "line 6, steps.lost.value",
    ]


def test_one_mistake_is_not_reported_again_wherever_it_is_named(read):
    with pytest.raises(ConfigError) as error:
        read('[destinations.x]\nkind = "y"\n[steps.won]\nto.x = "Lead"\nvalue = "1"\n[forms.f]\nstep = "won"')
    assert len(str(error.value).splitlines()) == 2


def test_a_secret_that_cannot_be_sent_is_refused_without_being_shown(read):
    with pytest.raises(ConfigError, match=r"line 4, .*token_env: the variable contains characters") as error:
        read(PIXEL + 'pixel_id = "12345"\ntoken_env = "DEALERS"', DEALERS="pa55\nX-Evil: 1")
    assert "pa55" not in str(error.value)


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read .*OUTBOX_CONFIG"):
        find(str(tmp_path / "nowhere.toml"), {})
    path = tmp_path / "latin.toml"
    path.write_bytes("[steps.won]\nto.meta = 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        load(path, {})


def test_a_nest_without_end_is_refused(read):
    with pytest.raises(ConfigError, match="nested too deeply"):
        read("a = " + "[" * 5000 + "]" * 5000)


# The tables of names


def test_the_action_sources_are_those_that_the_sandbox_accepts():
    assert set(ACTION_SOURCES) == meta_rules.ACTION_SOURCES


def test_the_default_passes_its_own_rules():
    for step in Config().steps:
        for name, target in step.targets.items():
            assert kinds()[name].event_name_problem(target.event_name) is None
            assert [parameter_problem(parameter) for parameter in target.parameters if parameter] == [
                None for _ in target.parameters
            ]


def test_what_the_sandbox_knows_as_reserved_is_refused_here():
    for name in ga4_rules.RESERVED_EVENTS:
        assert kinds()["ga4"].event_name_problem(name)
    for prefix in ga4_rules.RESERVED_PREFIXES:
        assert kinds()["ga4"].event_name_problem(f"{prefix}x")
        assert parameter_problem(f"{prefix}x")
    for name in ga4_rules.RESERVED_PARAMS:
        assert parameter_problem(name)


@pytest.mark.parametrize(
    "name",
    ["plan", "x" * 40, "x" * 41, "ga_x", "gtag.x", "gtag", "_x", "firebase_conversion", "größe", "1a", "", "a b"],
)
def test_what_is_built_for_ga4_has_the_parameters_that_the_configuration_accepts(name):
    assert is_parameter(name) == (kinds()["ga4"].parameter_name_problem(name) is None)


@pytest.mark.parametrize("name", ["Lead", "Refund", "Lead2", "My event", "Anmeldung für März"])
def test_meta_takes_standard_and_custom_names(name):
    assert kinds()["meta"].event_name_problem(name) is None


def test_common_names_have_targets_that_there_are():
    assert {
        target for target in COMMON_NAMES.values() if target not in TARGETS and not DETAIL.fullmatch(target)
    } == set()


@pytest.mark.parametrize(
    ("name", "target"),
    {
        "email": "person.email", "E-Mail": "person.email", "your-email": "person.email", "Work Email": "person.email",
        "phone": "person.phone", "tel": "person.phone", "your-tel": "person.phone",
        "fname": "person.first_name", "First Name": "person.first_name", "last_name": "person.last_name",
        "name": "person.name", "your-name": "person.name", "contact[email]": "person.email",
        "zip": "person.postal_code", "country": "person.country", "company": "details.company",
        "message": None, "lead_id": None, "account_id": None, "value": None, "": None, "username": None,
    }.items(),
)  # fmt: skip
def test_the_names_that_forms_use(name, target):
    assert common_target(name) == target


def test_an_account_shows_no_secret():
    account = Account(name="x", kind="meta", variables={"token": "X"}, stated={"token": Secret("pa55")})
    assert "pa55" not in repr(account)
