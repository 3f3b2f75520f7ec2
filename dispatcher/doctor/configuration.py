"""Checks of settings and `outbox.toml`: what is missing, what will expire, what does not belong in production. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from dispatcher.config import Account, Config
from dispatcher.config.event_names import META_STANDARD
from dispatcher.config.settings import Settings
from dispatcher.destinations.meta.versions import end_of
from dispatcher.doctor.finding import Finding, error, ok, warning

SOON = timedelta(days=90)
"""How long before the end of an API version the check warns."""
VARIABLES = {"meta": "META_CAPI_TOKEN", "ga4": "GA4_API_SECRET"}
ADDRESSES = {"meta": "META_CAPI_BASE_URL", "ga4": "GA4_MP_BASE_URL"}
OWN_HOSTS = {"meta": ("facebook.com",), "ga4": ("google-analytics.com",)}


def check(settings: Settings, config: Config, today: date) -> Iterator[Finding]:
    """Check the whole configuration."""
    yield _database(settings)
    for account in config.accounts:
        yield from _account(account, account.apply(settings), today)
    yield from _stand_ins(settings, config)
    yield from _funnel(config)
    yield _phone_region(settings)
    yield _consent(settings)
    yield from _monitoring(settings)
    yield _stripe(settings, config)


def is_real(address: str, kind: str) -> bool:
    """Return True if an address belongs to the destination itself, not to a stand-in."""
    host = urlsplit(address).hostname or ""
    return any(host == own or host.endswith(f".{own}") for own in OWN_HOSTS[kind])


def address_of(settings: Settings, kind: str) -> str:
    """Return the base address of a kind of destination."""
    return settings.meta_base_url if kind == "meta" else settings.ga4_base_url


def _database(settings: Settings) -> Finding:
    if settings.database_url:
        return ok("database address", "OUTBOX_DATABASE_URL is set.")
    return warning(
        "database address",
        "OUTBOX_DATABASE_URL is not set, so the embedded PostgreSQL under .outbox/ is used. No CRM writes to it.",
        "Set OUTBOX_DATABASE_URL to the CRM's database. The embedded one is for trying things out.",
    )


def _account(account: Account, settings: Settings, today: date) -> Iterator[Finding]:
    variable = account.secret_variable or VARIABLES[account.kind]
    secret = settings.meta_token if account.kind == "meta" else settings.ga4_secret
    if secret:
        yield ok(f"{account.name}: secret", f"{variable} is set.")
    else:
        yield error(
            f"{account.name}: secret",
            f"{variable} is not set: {account.name} is halted. Its deliveries wait and fail when their window closes.",
            f"Set {variable}, or run `outbox destination disable {account.name}` if nothing should be sent there.",
        )
    yield from _address(account, settings)
    if account.kind == "meta":
        yield _version(account, settings, today)
        yield _test_code(account, settings)


def _address(account: Account, settings: Settings) -> Iterator[Finding]:
    address, variable = address_of(settings, account.kind), ADDRESSES[account.kind]
    parts = urlsplit(address)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        yield error(
            f"{account.name}: address",
            f"{variable} begins with http: secrets and conversions cross the network unencrypted.",
            "Use https. Plain http is only for a sandbox on this machine.",
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
        return ok(name, f"{version} is newer than every version whose end date is known.")
    if end <= today:
        return error(
            name,
            f"{version} ended on {end}: Meta rejects every request.",
            "Set META_API_VERSION to a current version (v25.0).",
        )
    if end <= today + SOON:
        return warning(
            name,
            f"{version} ends on {end}.",
            "Before then, set META_API_VERSION to a current version (v25.0) and restart.",
        )
    return ok(name, f"{version} works until {end}.")


def _test_code(account: Account, settings: Settings) -> Finding:
    name = f"{account.name}: test code"
    if not settings.meta_test_code:
        return ok(name, "No test code is set.")
    if not is_real(settings.meta_base_url, "meta"):
        return ok(name, "A test code is set, but nothing goes to Meta itself.")
    return warning(
        name,
        "A test code is set: events appear in Test Events, still count for measurement, and are not deduplicated.",
        "Fine during setup. In production, unset META_CAPI_TEST_CODE and restart.",
    )


def _stand_ins(settings: Settings, config: Config) -> Iterator[Finding]:
    """Warn if conversions go to a stand-in instead of the destinations themselves."""
    kinds = {account.kind for account in config.accounts}
    stand_ins = sorted(kind for kind in kinds if not is_real(address_of(settings, kind), kind))
    if not stand_ins:
        yield ok("addresses", "Conversions go to the destinations themselves.")
        return
    variables = " and ".join(ADDRESSES[kind] for kind in stand_ins)
    mixed = " The other destinations are real." if len(stand_ins) < len(kinds) else ""
    yield warning(
        "addresses",
        f"{variables} {'points' if len(stand_ins) == 1 else 'point'} to a stand-in: nothing sent there reaches the "
        f"destination.{mixed}",
        f"Fine for staging. In production, unset {variables} and restart.",
    )


def _funnel(config: Config) -> Iterator[Finding]:
    where = str(config.path.name) if config.path else "the default funnel"
    unsent = [step.name for step in config.steps if not step.targets]
    yield ok("funnel", f"{len(config.steps)} steps ({where}). Sent to no destination: {', '.join(unsent) or 'none'}.")
    metas = {account.name for account in config.accounts if account.kind == "meta"}
    names = {target.event_name for step in config.steps for name, target in step.targets.items() if name in metas}
    if custom := sorted(names - set(META_STANDARD)):
        yield ok(
            "funnel: custom events",
            f"Not Meta standard events, so campaigns need a custom conversion to optimise for them: {', '.join(custom)}.",
        )
    if pairs := [step.name for step in config.steps if step.browser_pair]:
        yield ok(
            "funnel: browser pairs",
            f"The browser also sends these, with the same event name and event_id: {', '.join(pairs)}.",
        )


def _phone_region(settings: Settings) -> Finding:
    if settings.phone_region:
        return ok("phone region", f"National phone numbers are read as numbers in {settings.phone_region.upper()}.")
    return warning(
        "phone region",
        "OUTBOX_PHONE_REGION is not set: phone numbers with neither a + nor a country are left out.",
        "Set it to the country of most of your customers, such as CY, for both the daemon and the CRM.",
    )


def _consent(settings: Settings) -> Finding:
    if settings.consent_default == "granted":
        return ok("consent", "Without stated consent, consent counts as granted (OUTBOX_CONSENT_DEFAULT).")
    return ok("consent", "Without stated consent, Meta gets nothing and GA4 gets events without identity.")


def _monitoring(settings: Settings) -> Iterator[Finding]:
    if settings.alert_urls:
        yield ok("alerts", "OUTBOX_ALERT_URLS is set.")
    else:
        yield warning(
            "alerts",
            "OUTBOX_ALERT_URLS is not set: a halted destination alerts nobody.",
            "Set it to a channel that people read: Telegram, Slack, e-mail (https://appriseit.com/services/).",
        )
    if settings.console_token:
        yield ok("console", "OUTBOX_CONSOLE_TOKEN is set.")
    else:
        yield warning(
            "console",
            "OUTBOX_CONSOLE_TOKEN is not set: the console is read-only and open to anyone on this machine. A reverse "
            "proxy here that forwards to it opens it to everybody.",
            "Set it to a long random string to use the console from elsewhere or behind a proxy.",
        )


def _stripe(settings: Settings, config: Config) -> Finding:
    if not settings.stripe_secret:
        return ok("Stripe", "STRIPE_WEBHOOK_SECRET is not set: `outbox serve` accepts no webhooks.")
    needed = ("subscription_purchased", "subscription_renewed", "subscription_upgraded", "subscription_refunded")
    routed = {step.name for step in config.steps if step.targets}
    if missing := [name for name in needed if name not in routed]:
        return warning(
            "Stripe",
            f"Stripe webhooks are accepted, but these steps have no destination: {', '.join(missing)}.",
            "Give these steps a `to` in outbox.toml (docs/stripe.md).",
        )
    return ok("Stripe", "Stripe webhooks are accepted, and their steps have destinations.")
