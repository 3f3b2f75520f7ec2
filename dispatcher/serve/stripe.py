"""`POST /stripe/webhook`: verifies Stripe's events and records each in one transaction.

200   recorded, remembered, or ignored (`outbox.stripe.RecordingResult`)
400   the signature is not valid for this endpoint, or expired
503   the database is unavailable, or STRIPE_WEBHOOK_SECRET is not set: Stripe retries for three days
"""

from __future__ import annotations

from dataclasses import asdict

import structlog
from aiohttp import web

from dispatcher.config import Config
from dispatcher.config.settings import Secret
from dispatcher.serve.access_log import FORM
from dispatcher.serve.body import read_body
from dispatcher.serve.errors import FormRefusedError, UnavailableError, answer
from dispatcher.serve.recorder import Connection, Recorder

log = structlog.get_logger()

MAX_BODY = 1024 * 1024
"""Bytes. Stripe documents no limit; the largest events are invoices with many lines, about 100 kB."""

STEPS = (
    "subscription_purchased", "subscription_renewed", "subscription_upgraded", "subscription_refunded", "signed_in",
)  # fmt: skip
"""The steps that Stripe's events are recorded as (`outbox.stripe.events`), plus `trial_started` if trials are on."""


class Webhook:
    """The webhook endpoint. Without a secret, nothing can be verified, so nothing is accepted."""

    def __init__(self, config: Config, secret: Secret, recorder: Recorder, region: str | None) -> None:
        self._config = config
        self._secret = secret
        self._recorder = recorder
        self._region = region
        steps = {*STEPS, *(("trial_started",) if config.stripe.trials else ())}
        if secret and (missing := sorted(steps - {step.name for step in config.steps})):
            log.warning("steps for Stripe's events are missing from the funnel", steps=missing)

    async def take(self, request: web.Request) -> web.Response:
        """Verify and record one event."""
        import outbox.stripe  # noqa: PLC0415 - takes half a second, which only users of Stripe should pay

        request[FORM] = "stripe"
        if not self._secret:
            log.error("webhook received, but STRIPE_WEBHOOK_SECRET is not set")
            raise UnavailableError
        payload = await read_body(request, MAX_BODY)
        rules = outbox.stripe.Rules(**asdict(self._config.stripe))
        try:
            event = outbox.stripe.verified(
                payload, request.headers.get("Stripe-Signature"), secret=self._secret.reveal()
            )
        except outbox.stripe.SignatureError as error:
            raise FormRefusedError(400, "the Stripe signature is invalid or expired") from error

        async def record(connection: Connection) -> outbox.stripe.RecordingResult:
            async with connection.transaction():
                done: outbox.stripe.RecordingResult = await outbox.stripe.record_event(
                    connection, event, rules=rules, region=self._region
                )
                return done

        outcome = await self._recorder.run(record)
        return answer(200, {"status": outcome.status, "events": outcome.ids})
