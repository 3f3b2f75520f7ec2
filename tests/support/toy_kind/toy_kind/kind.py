"""The kind `toy`: all that the dispatcher knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from dispatcher.config.variables import KindSettings, Secret, matches, setting, web_address
from dispatcher.destinations.base import Limits
from dispatcher.destinations.checks import Rule
from dispatcher.destinations.kind import TOKEN, Deadline, DestinationKind
from dispatcher.destinations.match_quality import Change, Identifier, MatchQuality, OwnScores
from dispatcher.destinations.payload_fields import PayloadFields
from dispatcher.findings import error, ok
from dispatcher.reasons import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class ToySettings(KindSettings):
    """One account at Toy."""

    account_id: str = setting(
        "TOY_ACCOUNT_ID", "T-0", check=matches(r"T-\d+", "the account's number, such as T-1"), toml="account_id"
    )
    key: Secret = setting("TOY_ADS_KEY", Secret(), toml="key_env")
    contract_ends: str = setting("TOY_CONTRACT_ENDS", "", check=matches(r"\d{4}-\d\d-\d\d", "a date"))
    base_url: str = setting("TOY_ADS_URL", "https://ads.toy.example", check=web_address("https://ads.toy.example"))


class Kind(DestinationKind[ToySettings]):
    """Toy."""

    name = "toy"
    label = "Toy"
    account_label = "Shelf"
    settings = ToySettings
    id = "account_id"
    secret = "key"
    routes: ClassVar = {"lead_submitted": "toy_lead", "subscription_purchased": "toy_sale"}
    hosts = ("toy.example",)
    limits = Limits(window=timedelta(days=3), repeat=timedelta(hours=24), batch=10, concurrency=2)
    without_consent = "gets a wooden horse"
    paid = frozenset({"toy_sale"})
    order_use = "to gift-wrap it"
    quality = MatchQuality(
        (Identifier("mail", "Mail", "high", 7.0), Identifier("kid", "Kid", "low", 3.0)),
        (Change(("mail",), "ask for the mail"), Change(("kid",), "ask who plays", needs_browser=True)),
        explanation="Toy counts with its fingers.",
    )
    fields = PayloadFields(
        profile={"who.mail": "em", "who.kid": "fbp"},
        of_the_event=frozenset({"ref", "at"}),
        of_the_funnel=frozenset({"action"}),
        renamed={"worth": (("details", "value"),)},
        browsers=frozenset({"kid"}),
        ids=frozenset({"ref"}),
        parameters=frozenset({"what"}),
        safe=frozenset({"form"}),
    )
    log_rules = (
        Rule("toy mail", lambda step: step.events - step.email, lambda step: step.events, 0.1, "have no mail", "Ask."),
    )
    explanations: ClassVar = {
        "toy key refused": Explanation("Toy does not know the key.", "Put another key in {secret}."),
        "toy broken": Explanation("Toy breaks on it.", "Record something sturdier; then requeue.", requeue=True),
    }
    sandbox = "toy_kind.stand_in"

    def event_name_problem(self, name):
        """Return what is wrong with the name of an event."""
        return None if name.startswith("toy_") else "Toy's names begin with toy_"

    def parameter_name_problem(self, name):
        """Return what is wrong with the name of a parameter."""
        return "Toy has a password of its own" if name == "password" else None

    def create(self, here):
        """Return what builds and sends."""
        from toy_kind.destination import Toy

        return Toy(here)

    def check(self, here, today):  # noqa: ARG002
        """Check the account."""
        yield ok(f"{here.name}: shelf", f"Everything goes to shelf {here.settings.account_id}.")

    async def check_live(self, here, ask):
        """Ask for the account."""
        settings = here.settings
        reply = await ask(
            "GET", f"{settings.base_url}/toy/{settings.account_id}", None, {"X-Key": settings.key.reveal()}
        )
        if reply.status == 200:
            yield ok(f"{here.name}: live", "Toy knows the shelf and the key.")
        else:
            yield error(f"{here.name}: live", f"Toy answers {reply.status}.", f"Check {here.variable}.")

    async def own_scores(self, settings, *, seconds):  # noqa: ARG002
        """Return a score without asking."""
        return OwnScores({"toy_lead": 6.5})

    def deadlines(self, settings, token_expires):  # noqa: ARG002
        """Return the end of the contract."""
        if settings.contract_ends:
            ends = date.fromisoformat(settings.contract_ends)
            yield Deadline(TOKEN, f"toy {ends}", "the contract with Toy", ends, "renew it")


KIND = Kind()
