"""The pages before an account: landing page, lead form, conference form, trial download, thank-you page.

Every handler that writes does so in this way: the CRM's row and the conversion in one transaction. Both are committed or
neither is; nothing is sent here, and nothing waits for a destination.
"""

from __future__ import annotations

from aiohttp import web

import outbox
from dispatcher.demo import forms
from dispatcher.demo.browser import forward, visitor
from dispatcher.demo.crm import Lead
from dispatcher.demo.forms import Answers
from dispatcher.demo.pages import SITE, account_id, handl_id, page, redirect

PRODUCT = "kerf-cam"
LEAD_FORM = "lead-form-ds25"
MEETING_FORM = "conference-form"

_TEXTS = {
    LEAD_FORM: {
        "title": "Talk to an engineer",
        "intro": "Tell us where to reach you. An engineer who machines for a living calls back within a day.",
        "submit": "Request a call",
        "fields": forms.LEAD,
    },
    MEETING_FORM: {
        "title": "Meet us",
        "intro": "At the conference, online, or at your machine: choose what suits you.",
        "submit": "Send request",
        "fields": forms.MEETING,
    },
}


def add_routes(app: web.Application) -> None:
    """Add the pages and forms."""
    app.router.add_get("/", landing)
    app.router.add_get("/forms/{form:lead-form-ds25|conference-form}", form_page)
    app.router.add_post("/forms/lead-form-ds25", lead_form)
    app.router.add_post("/forms/conference-form", meeting_form)
    app.router.add_get("/download", download_page)
    app.router.add_post("/download", download)
    app.router.add_get("/thank-you", thank_you)


async def landing(request: web.Request) -> web.Response:
    """Show the landing page, whose calls to action forward the campaign and browser parameters."""
    shared = request.query.get("fb_event_id")
    return await page(
        request,
        "landing.html",
        lead_form=f"/forms/{LEAD_FORM}",
        hero=forward(request, "hero", shared),
        final=forward(request, "final-cta", shared),
        meeting=forward(request, "conference"),
        trial=forward(request, "trial"),
    )


async def form_page(request: web.Request) -> web.Response:
    """Show a form. It is submitted to its own URL, which keeps the forwarded parameters."""
    return await _form(request, request.match_info["form"], Answers())


async def lead_form(request: web.Request) -> web.Response:
    """Record a lead."""
    answers = await forms.read(request, forms.LEAD)
    if answers.errors:
        return await _form(request, LEAD_FORM, answers)
    async with request.app[SITE].sessions.begin() as session:
        lead = Lead(**answers.values, form=LEAD_FORM, handl_id=handl_id(request))
        session.add(lead)
        conversion = outbox.LeadSubmitted(
            lead_id=lead.id,
            account_id=account_id(request),
            form=LEAD_FORM,
            product=PRODUCT,
            person=lead.person(),
            visitor=visitor(request),
        )
        await outbox.record(session, conversion, region=request.app[SITE].region)
    return redirect(f"/thank-you?form={LEAD_FORM}")


async def meeting_form(request: web.Request) -> web.Response:
    """Record a request for a meeting, a demonstration, a quote or a dealership."""
    answers = await forms.read(request, forms.MEETING)
    if answers.errors:
        return await _form(request, MEETING_FORM, answers)
    category = answers.values.pop("content_category")
    async with request.app[SITE].sessions.begin() as session:
        lead = Lead(**answers.values, form=MEETING_FORM, handl_id=handl_id(request), category=category)
        session.add(lead)
        conversion = outbox.DemoRequested(
            lead_id=lead.id,
            account_id=account_id(request),
            form=MEETING_FORM,
            product=PRODUCT,
            content_category=category,
            person=lead.person(),
            visitor=visitor(request),
        )
        await outbox.record(session, conversion, region=request.app[SITE].region)
    return redirect(f"/thank-you?form={MEETING_FORM}")


async def download_page(request: web.Request) -> web.Response:
    """Offer the trial."""
    return await page(request, "download.html")


async def download(request: web.Request) -> web.Response:
    """Record a download of the trial. Of a visitor who is not signed in, only the browser is known."""
    async with request.app[SITE].sessions.begin() as session:
        conversion = outbox.TrialDownloaded(account_id=account_id(request), product=PRODUCT, visitor=visitor(request))
        await outbox.record(session, conversion, region=request.app[SITE].region)
    return redirect(f"/thank-you?download_product={PRODUCT}")


async def thank_you(request: web.Request) -> web.Response:
    """Thank for a lead, a request or a download."""
    if "download_product" in request.query:
        title, text = "Your trial is ready", "In a real shop the installer would be on its way to you now."
    elif request.query.get("form") == MEETING_FORM:
        title, text = "See you soon", "We have your request, and will suggest a time by tomorrow."
    else:
        title, text = "Thank you", "We have your request. An engineer will call you within a day."
    return await page(request, "thank_you.html", title=title, text=text)


async def _form(request: web.Request, form: str, answers: Answers) -> web.Response:
    status = 422 if answers.errors else 200
    return await page(request, "form.html", status=status, answers=answers, **_TEXTS[form], note="", aside=form)
