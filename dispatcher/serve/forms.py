"""`POST /forms/{form}`: from a request to a recorded conversion and its response.

    origin ─▶ body ─▶ fields, visitor, event id ─▶ honeypot, required fields ─▶ record ─▶ 200 JSON, 204, or 303

A script gets JSON (`{"event_id": …, "redirect": …}`). A browser that submitted the form itself is redirected to the next
page, or, if there is none, gets a 204, on which it stays on the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog
from aiohttp import web

import outbox
from dispatcher.config import Serve
from dispatcher.config.default_forms import Form
from dispatcher.config.web_origin import location, origin_of
from dispatcher.request_headers import content_of
from dispatcher.serve.access_log import FORM, ROW
from dispatcher.serve.body import Fields, read_fields
from dispatcher.serve.cors import Origins
from dispatcher.serve.deduplication import Deduplicator
from dispatcher.serve.errors import FormRefusedError, answer
from dispatcher.serve.field_mapping import Submission, understand
from dispatcher.serve.recorder import Recorder

log = structlog.get_logger()

PAGE = ("page_url", "page_location", "event_source_url")
"""Fields with the address of the form's page. A browser sends no more than the origin as Referer to another site."""
REDIRECT = "redirect"
"""The field with the next page, which must belong to one of our origins."""


class Forms:
    """The configured forms. `arguments`: what `outbox.Visitor` needs to read cookies."""

    def __init__(
        self,
        forms: tuple[Form, ...],
        serve: Serve,
        recorder: Recorder,
        deduplicator: Deduplicator,
        arguments: dict[str, Any],
    ) -> None:
        self._forms = {form.name: form for form in forms}
        self._serve = serve
        self._recorder = recorder
        self._deduplicator = deduplicator
        self._arguments = arguments
        self.origins = Origins(serve.origins)

    async def submit(self, request: web.Request) -> web.Response:
        """Record a submission and return the response."""
        form = self._form(request)
        self.origins.check(request)
        fields = await read_fields(request)
        submission = understand(form, fields)
        visitor = self._visitor(request, fields, submission)
        event_id = visitor.event_id or self._deduplicator.event_id(_content(form, submission, visitor))
        if fields.get(form.honeypot):
            log.info("honeypot filled in, nothing recorded", form=form.name, field=form.honeypot)
            return self._thank(request, form, fields, event_id)  # a robot must not notice that it was detected
        if submission.problems:
            raise FormRefusedError(422, "some fields are invalid", submission.problems)
        request[ROW] = await self._recorder.record(
            outbox.Conversion(
                name=form.step,
                event_id=event_id,
                lead_id=submission.keys.get("lead_id"),
                account_id=submission.keys.get("account_id"),
                handl_id=submission.keys.get("handl_id"),
                person=submission.person(),
                visitor=visitor,
                details=submission.details,
                public=True,
            )
        )
        return self._thank(request, form, fields, event_id)

    async def preflight(self, request: web.Request) -> web.Response:
        """Return the response to a browser's preflight request."""
        self._form(request)
        return self.origins.preflight(request)

    def _form(self, request: web.Request) -> Form:
        form = self._forms.get(request.match_info["form"])
        if form is None:
            raise FormRefusedError(404, "there is no such form; [forms] in outbox.toml lists them")
        request[FORM] = form.name
        return form

    def _visitor(self, request: web.Request, fields: Fields, submission: Submission) -> outbox.Visitor:
        return outbox.visitor_from_aiohttp(
            request,
            form=fields,
            url=next((fields[name][0] for name in PAGE if name in fields), None),
            trusted_proxies=self._serve.trusted_proxies,
            ip_headers=self._serve.ip_headers,
            consent=submission.consent,
            **self._arguments,
        )

    def _thank(self, request: web.Request, form: Form, fields: Fields, event_id: str) -> web.Response:
        next_page = self._next_page(form, fields)
        if _is_script(request):
            return answer(200, {"event_id": event_id, **({"redirect": next_page} if next_page else {})})
        if next_page:
            return web.Response(status=303, headers={"Location": next_page})
        return web.Response(status=204)

    def _next_page(self, form: Form, fields: Fields) -> str | None:
        """Return the next page: the requested one if its origin is allowed, else the form's own."""
        own = origin_of(form.redirect or "")
        allowed = (self._serve.origins or frozenset()) | ({own} if own else set())
        return location(fields.get(REDIRECT, [""])[0], allowed) or form.redirect


def _is_script(request: web.Request) -> bool:
    """Return True if a script sent the request, False if the browser submitted the form itself."""
    if content_of(request).media_type == "application/json" or "application/json" in request.headers.get("Accept", ""):
        return True
    return request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"


def _content(form: Form, submission: Submission, visitor: outbox.Visitor) -> Iterator[str]:
    """Return what makes two submissions the same: person and details, and without e-mail and phone also the browser."""
    yield form.name
    yield str(visitor.consent)
    content = {**submission.traits, **submission.keys, **submission.details}
    yield from (f"{name}={value}" for name, value in sorted(content.items()))
    if not {"email", "phone"} & submission.traits.keys():
        for name in ("handl_id", "fbp", "ga_client_id", "ip", "user_agent", "fbc", "fbclid"):
            yield f"{name}={getattr(visitor, name)}"
