"""`POST /forms/{form}`: from a request to a recorded conversion, and the answer to it.

    origin ─▶ body ─▶ fields, visitor, event id ─▶ honeypot, required fields ─▶ record ─▶ 200 JSON, 204, or 303

A script is answered with JSON (`{"event_id": …, "redirect": …}`), a browser that sent the form itself with the page that
follows, or, where none is configured, with a 204, on which it stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from dispatcher.serve.errors import RefusedError, answer
from dispatcher.serve.field_mapping import Submission, understand
from dispatcher.serve.recorder import Recorder

log = structlog.get_logger()

PAGE = ("page_url", "page_location", "event_source_url")
"""Fields that say on which page the form stands; a script of another origin sends no more than that as its Referer."""
REDIRECT = "redirect"
"""The field that says which page follows, if it is one of our origins'."""


class Forms:
    """The forms that are configured. `stream` is the measurement id whose session counts."""

    def __init__(
        self, forms: tuple[Form, ...], serve: Serve, recorder: Recorder, repeats: Deduplicator, stream: str
    ) -> None:
        self._forms = {form.name: form for form in forms}
        self._serve = serve
        self._recorder = recorder
        self._repeats = repeats
        self._stream = stream
        self.origins = Origins(serve.origins)

    async def submit(self, request: web.Request) -> web.Response:
        """Take what a form sent."""
        form = self._form(request)
        self.origins.check(request)
        fields = await read_fields(request)
        told = understand(form, fields)
        visitor = self._visitor(request, fields, told)
        event_id = visitor.event_id or self._repeats.event_id(_content(form, told, visitor))
        if fields.get(form.honeypot):
            log.info("a honeypot was filled in: nothing is recorded", form=form.name, field=form.honeypot)
            return self._thank(request, form, fields, event_id)  # a machine; it need not know that we noticed
        if told.problems:
            raise RefusedError(422, "some fields cannot be used", told.problems)
        request[ROW] = await self._recorder.record(
            outbox.Conversion(
                name=form.step,
                event_id=event_id,
                lead_id=told.keys.get("lead_id"),
                account_id=told.keys.get("account_id"),
                handl_id=told.keys.get("handl_id"),
                person=told.person(),
                visitor=visitor,
                details=told.details,
            )
        )
        return self._thank(request, form, fields, event_id)

    async def preflight(self, request: web.Request) -> web.Response:
        """Answer a browser that asks whether a script may post."""
        self._form(request)
        return self.origins.preflight(request)

    def _form(self, request: web.Request) -> Form:
        form = self._forms.get(request.match_info["form"])
        if form is None:
            raise RefusedError(404, "there is no such form; [forms] in outbox.toml lists them")
        request[FORM] = form.name
        return form

    def _visitor(self, request: web.Request, fields: Fields, told: Submission) -> outbox.Visitor:
        return outbox.visitor_from_aiohttp(
            request,
            form=fields,
            url=next((fields[name][0] for name in PAGE if name in fields), None),
            trusted_proxies=self._serve.trusted_proxies,
            ip_headers=self._serve.ip_headers,
            ga_stream=self._stream,
            consent=told.consent,
        )

    def _thank(self, request: web.Request, form: Form, fields: Fields, event_id: str) -> web.Response:
        follows = self._follows(form, fields)
        if _is_script(request):
            return answer(200, {"event_id": event_id, **({"redirect": follows} if follows else {})})
        if follows:
            return web.Response(status=303, headers={"Location": follows})
        return web.Response(status=204)

    def _follows(self, form: Form, fields: Fields) -> str | None:
        """Give the page that follows: the one that is asked for, if it is ours, else the form's own."""
        own = origin_of(form.redirect or "")
        ours = (self._serve.origins or frozenset()) | ({own} if own else set())
        return location(fields.get(REDIRECT, [""])[0], ours) or form.redirect


def _is_script(request: web.Request) -> bool:
    """Tell a script's request from a form that the browser sent by itself."""
    if content_of(request).media_type == "application/json" or "application/json" in request.headers.get("Accept", ""):
        return True
    return request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"


def _content(form: Form, told: Submission, visitor: outbox.Visitor) -> Iterator[str]:
    """Give what makes a submission the same as another: who it is about and what it tells, else the browser."""
    yield form.name
    yield str(visitor.consent)
    yield from (f"{name}={value}" for name, value in sorted({**told.traits, **told.keys, **told.details}.items()))
    if not {"email", "phone"} & told.traits.keys():
        for name in ("handl_id", "fbp", "ga_client_id", "ip", "user_agent", "fbc", "fbclid"):
            yield f"{name}={getattr(visitor, name)}"
