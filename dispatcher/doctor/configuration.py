"""Settings and `outbox.toml`: what is missing, what will end, and what does not belong in production. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from dispatcher.config import Account, Config
from dispatcher.config.event_names import META_STANDARD
from dispatcher.config.settings import Settings
from dispatcher.destinations.meta.versions import end_of
from dispatcher.doctor.finding import Finding, bad, ok, warn

SOON = timedelta(days=90)
"""So long before an API version's end it is said."""
VARIABLES = {"meta": "META_CAPI_TOKEN", "ga4": "GA4_API_SECRET"}
ADDRESSES = {"meta": "META_CAPI_BASE_URL", "ga4": "GA4_MP_BASE_URL"}
OWN_HOSTS = {"meta": ("facebook.com",), "ga4": ("google-analytics.com",)}


def check(settings: Settings, config: Config, today: date) -> Iterator[Finding]:
    """Look at everything that is configured."""
    yield _database(settings)
    for account in config.accounts:
        yield from _account(account, account.apply(settings), today)
    yield from _stand_ins(settings, config)
    yield from _funnel(config)
    yield _phone_region(settings)
    yield _consent(settings)
    yield from _watching(settings)
    yield _stripe(settings, config)


def is_real(address: str, kind: str) -> bool:
    """Tell whether an address is the destination's own, not a stand-in's."""
    host = urlsplit(address).hostname or ""
    return any(host == own or host.endswith(f".{own}") for own in OWN_HOSTS[kind])


def address_of(settings: Settings, kind: str) -> str:
    """Give the base address of the destinations of a kind."""
    return settings.meta_base_url if kind == "meta" else settings.ga4_base_url


def _database(settings: Settings) -> Finding:
    if settings.database_url:
        return ok("database address", "OUTBOX_DATABASE_URL is set.")
    return warn(
        "database address",
        "OUTBOX_DATABASE_URL is not set: an embedded PostgreSQL under .outbox/ is used, which no CRM writes to.",
        "Set OUTBOX_DATABASE_URL to the CRM's database; the embedded one is for trying out.",
    )


def _account(account: Account, settings: Settings, today: date) -> Iterator[Finding]:
    variable = account.secret_variable or VARIABLES[account.kind]
    secret = settings.meta_token if account.kind == "meta" else settings.ga4_secret
    if secret:
        yield ok(f"{account.name}: secret", f"{variable} is set.")
    else:
        yield bad(
            f"{account.name}: secret",
            f"{variable} is not set: {account.name} is halted, its deliveries wait, and die when their window closes.",
            f"Set {variable}; or `outbox destination disable {account.name}` if nobody is to be told.",
        )
    yield from _address(account, settings)
    if account.kind == "meta":
        yield _version(account, settings, today)
        yield _test_code(account, settings)


def _address(account: Account, settings: Settings) -> Iterator[Finding]:
    address, variable = address_of(settings, account.kind), ADDRESSES[account.kind]
    parts = urlsplit(address)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        yield bad(
            f"{account.name}: address",
            f"{variable} begins with http: secrets and conversions cross the network in the clear.",
            "Use https; plain http is for a sandbox on this machine.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _version(account: Account, settings: Settings, today: date) -> Finding:
    version, end = settings.meta_api_version, end_of(settings.meta_api_version)
    name = f"{account.name}: API version"
    if end is None:
        return ok(name, f"{version} is newer than any that we know the end of.")
    if end <= today:
        return bad(
            name,
            f"{version} ended on {end}: Meta refuses everything.",
            "Set META_API_VERSION to a current one (v25.0).",
        )
    if end <= today + SOON:
        return warn(
            name, f"{version} ends on {end}.", "Set META_API_VERSION to a current one (v25.0) and restart, before then."
        )
    return ok(name, f"{version} works until {end}.")


def _test_code(account: Account, settings: Settings) -> Finding:
    name = f"{account.name}: test code"
    if not settings.meta_test_code:
        return ok(name, "No test code is set.")
    if not is_real(settings.meta_base_url, "meta"):
        return ok(name, "A test code is set, and nothing goes to Meta itself.")
    return warn(
        name,
        "A test code is set: events show in Test Events, still count for measurement, and are not deduplicated.",
        "Fine while you set things up. In production: unset META_CAPI_TEST_CODE and restart.",
    )


def _stand_ins(settings: Settings, config: Config) -> Iterator[Finding]:
    """Say where conversions go that do not go to the destinations themselves."""
    kinds = {account.kind for account in config.accounts}
    stand_ins = sorted(kind for kind in kinds if not is_real(address_of(settings, kind), kind))
    if not stand_ins:
        yield ok("addresses", "Conversions go to the destinations themselves.")
        return
    variables = " and ".join(ADDRESSES[kind] for kind in stand_ins)
    mixed = " and others go to the real one" if len(stand_ins) < len(kinds) else ""
    yield warn(
        "addresses",
        f"{variables} point at a stand-in: nothing of that reaches the destination{mixed}.",
        f"Fine for staging. In production: unset {variables} and restart.",
    )


def _funnel(config: Config) -> Iterator[Finding]:
    where = str(config.path.name) if config.path else "the default funnel"
    untold = [step.name for step in config.steps if not step.targets]
    yield ok("funnel", f"{len(config.steps)} steps ({where}); told to nobody: {', '.join(untold) or 'none'}.")
    metas = {account.name for account in config.accounts if account.kind == "meta"}
    names = {target.event_name for step in config.steps for name, target in step.targets.items() if name in metas}
    if custom := sorted(names - set(META_STANDARD)):
        yield ok(
            "funnel: custom events",
            f"Not standard at Meta, so campaigns optimise on them only by a custom conversion: {', '.join(custom)}.",
        )
    if pairs := [step.name for step in config.steps if step.browser_pair]:
        yield ok(
            "funnel: browser pairs",
            f"The browser sends the same too, under the same event name and event_id: {', '.join(pairs)}.",
        )


def _phone_region(settings: Settings) -> Finding:
    if settings.phone_region:
        return ok("phone region", f"National phone numbers are read as of {settings.phone_region.upper()}.")
    return warn(
        "phone region",
        "OUTBOX_PHONE_REGION is not set: a phone number without + and without a country beside it is left out.",
        "Set it to the country of most of your customers, such as CY, for the daemon and for the CRM.",
    )


def _consent(settings: Settings) -> Finding:
    if settings.consent_default == "granted":
        return ok("consent", "Where nobody stated a consent, it counts as granted (OUTBOX_CONSENT_DEFAULT).")
    return ok("consent", "Where nobody stated a consent, nothing goes to Meta, and to GA4 without identity.")


def _watching(settings: Settings) -> Iterator[Finding]:
    if settings.alert_urls:
        yield ok("alerts", "OUTBOX_ALERT_URLS is set.")
    else:
        yield warn(
            "alerts",
            "OUTBOX_ALERT_URLS is not set: nobody is told of a halted destination.",
            "Set it to where somebody reads: Telegram, Slack, mail (https://appriseit.com/services/).",
        )
    if settings.console_token:
        yield ok("console", "OUTBOX_CONSOLE_TOKEN is set.")
    else:
        yield warn(
            "console",
            "OUTBOX_CONSOLE_TOKEN is not set: the console changes nothing, and whoever asks from this machine may look; "
            "so may everybody, through a reverse proxy here that passes it on.",
            "Set it to a long random text to use the console from elsewhere, and behind any proxy.",
        )


def _stripe(settings: Settings, config: Config) -> Finding:
    if not settings.stripe_secret:
        return ok("Stripe", "STRIPE_WEBHOOK_SECRET is not set: `outbox serve` takes no webhook.")
    needed = ("subscription_purchased", "subscription_renewed", "subscription_upgraded", "subscription_refunded")
    told = {step.name for step in config.steps if step.targets}
    if missing := [name for name in needed if name not in told]:
        return warn(
            "Stripe",
            f"Stripe's events are taken, and nobody is told of {', '.join(missing)}.",
            "Give these steps a `to` in outbox.toml (docs/stripe.md).",
        )
    return ok("Stripe", "Stripe's webhook is taken, and its steps are told.")
