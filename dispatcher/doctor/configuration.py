"""Checks of settings and `outbox.toml`: what is missing, what will expire, what does not belong in production. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from ipaddress import ip_address
from urllib.parse import urlsplit

from dispatcher.config import Account, Config
from dispatcher.config.settings import Settings
from dispatcher.destinations import registry
from dispatcher.findings import Finding, error, ok, warning


def check(settings: Settings, config: Config, today: date) -> Iterator[Finding]:
    """Check the whole configuration."""
    yield _database(settings)
    for account in config.accounts:
        yield from _account(account, settings, config, today)
    yield from _stand_ins(settings, config)
    yield from _funnel(config)
    yield _phone_region(settings)
    yield _consent(settings, config)
    yield from _monitoring(settings)
    yield _stripe(settings, config)


def _database(settings: Settings) -> Finding:
    if settings.database_url:
        return ok("database address", "OUTBOX_DATABASE_URL is set.")
    return warning(
        "database address",
        "OUTBOX_DATABASE_URL is not set, so the embedded PostgreSQL under .outbox/ is used. No CRM writes to it.",
        "Set OUTBOX_DATABASE_URL to the CRM's database. The embedded one is for trying things out.",
    )


def _account(account: Account, settings: Settings, config: Config, today: date) -> Iterator[Finding]:
    kind, here = registry.kinds()[account.kind], registry.configured(account, settings, config)
    if getattr(here.settings, kind.secret):
        yield ok(f"{account.name}: secret", f"{here.variable} is set.")
    else:
        yield error(
            f"{account.name}: secret",
            f"{here.variable} is not set: {account.name} is halted. Its deliveries wait and fail when their window closes.",
            f"Set {here.variable}, or run `outbox destination disable {account.name}` if nothing should be sent there.",
        )
    yield from _address(account, kind.address(here.settings))
    yield from kind.check(here, today)


def _address(account: Account, address: str) -> Iterator[Finding]:
    kind = registry.kinds()[account.kind]
    variable = kind.variable(kind.base_url)
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


def _stand_ins(settings: Settings, config: Config) -> Iterator[Finding]:
    """Warn if conversions go to a stand-in instead of the destinations themselves."""
    kinds = [kind for kind in registry.kinds().values() if any(kind.name == each.kind for each in config.accounts)]
    stand_ins = [kind for kind in kinds if not kind.is_real(kind.address(settings.of(kind.name)))]
    if not stand_ins:
        yield ok("addresses", "Conversions go to the destinations themselves.")
        return
    variables = " and ".join(sorted(kind.variable(kind.base_url) for kind in stand_ins))
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
    for kind in registry.kinds().values():
        names = {account.name for account in config.accounts if account.kind == kind.name}
        found = {target.event_name for step in config.steps for name, target in step.targets.items() if name in names}
        yield from kind.check_funnel(frozenset(found))
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


def _consent(settings: Settings, config: Config) -> Finding:
    if settings.consent_default == "granted":
        return ok("consent", "Without stated consent, consent counts as granted (OUTBOX_CONSENT_DEFAULT).")
    configured = {account.kind for account in config.accounts}
    kinds = (kind for kind in registry.kinds().values() if kind.name in configured)
    return ok(
        "consent", f"Without stated consent, {' and '.join(f'{each.label} {each.without_consent}' for each in kinds)}."
    )


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
