"""The pages of an account: sign-up, sign-in, address verification, purchase. Written like `leads`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from secrets import token_urlsafe
from typing import Any

from aiohttp import web
from sqlalchemy import select

import outbox
from dispatcher.demo import crm, forms
from dispatcher.demo.browser import visitor
from dispatcher.demo.crm import CrmAccount, Order
from dispatcher.demo.forms import Answers
from dispatcher.demo.leads import PRODUCT
from dispatcher.demo.pages import SESSION, SITE, account, handl_id, page, redirect

CURRENCY = "EUR"
PLANS: dict[str, tuple[str, Decimal, str]] = {
    "solo": ("Solo", Decimal(490), "One seat, 3 axes, every postprocessor"),
    "team": ("Team", Decimal(1290), "Three seats, 5 axes, shared tool library"),
    "works": ("Works", Decimal(3900), "Ten seats, mill-turn and robots, on-site training"),
}

_SIGN_UP: dict[str, Any] = {
    "title": "Create your account",
    "intro": "Thirty days, every feature, no card.",
    "submit": "Create account",
    "fields": forms.SIGN_UP,
    "aside": "sign-up",
}
_SIGN_IN: dict[str, Any] = {
    "title": "Sign in",
    "intro": "This demo asks for no password.",
    "submit": "Sign in",
    "fields": forms.SIGN_IN,
    "aside": "sign-in",
}


def add_routes(app: web.Application) -> None:
    """Add the pages and forms."""
    app.router.add_get("/sign-up", sign_up_page)
    app.router.add_post("/sign-up", sign_up)
    app.router.add_get("/sign-in", sign_in_page)
    app.router.add_post("/sign-in", sign_in)
    app.router.add_post("/sign-out", sign_out)
    app.router.add_get("/account", account_page)
    app.router.add_get("/verify", verify)
    app.router.add_get("/purchase", purchase_page)
    app.router.add_post("/purchase", purchase)


async def sign_up_page(request: web.Request) -> web.Response:
    """Show the form, filled in from this browser's last lead."""
    async with request.app[SITE].sessions() as session:
        lead = await crm.newest_lead(session, handl_id(request))
    prefilled = {one.name: getattr(lead, one.name) for one in forms.SIGN_UP} if lead else {}
    return await page(request, "form.html", answers=Answers(prefilled), note="", **_SIGN_UP)


async def sign_up(request: web.Request) -> web.Response:
    """Create the account. From here on this browser and its leads belong to the same person."""
    answers = await forms.read(request, forms.SIGN_UP)
    if not answers.errors:
        answers.values["email"] = answers.values["email"].lower()
        async with request.app[SITE].sessions.begin() as session:
            if await crm.account_by_email(session, answers.values["email"]):
                answers.errors["email"] = "There is an account with this address; sign in instead."
            else:
                lead = await crm.newest_lead(session, handl_id(request))
                created = CrmAccount(**answers.values, handl_id=handl_id(request))
                session.add(created)
                conversion = outbox.AccountCreated(
                    account_id=created.id,
                    lead_id=lead.id if lead else None,
                    product=PRODUCT,
                    person=created.person(),
                    visitor=visitor(request),
                )
                await outbox.record(session, conversion, region=request.app[SITE].region)
    if answers.errors:
        return await page(request, "form.html", status=422, answers=answers, note="", **_SIGN_UP)
    return redirect("/sign-in?welcome=1")


async def sign_in_page(request: web.Request) -> web.Response:
    """Show the form, with the e-mail address of the account that was created in this browser."""
    note = (
        "Your account is ready. Sign in for the first time to start your trial." if "welcome" in request.query else ""
    )
    async with request.app[SITE].sessions() as session:
        found = await crm.newest_account(session, handl_id(request))
    answers = Answers({"email": found.email} if found else {})
    return await page(request, "form.html", answers=answers, note=note, **_SIGN_IN)


async def sign_in(request: web.Request) -> web.Response:
    """Sign in. The first time the trial starts; later it only ties the browser to the account."""
    answers = await forms.read(request, forms.SIGN_IN)
    async with request.app[SITE].sessions.begin() as session:
        found = None if answers.errors else await crm.account_by_email(session, answers.values["email"])
        if found:
            if found.first_login_at is None:
                found.first_login_at = datetime.now(UTC)
                conversion: outbox.Conversion = outbox.TrialStarted(
                    account_id=found.id, product=PRODUCT, person=found.person(), visitor=visitor(request)
                )
            else:
                conversion = outbox.SignedIn(account_id=found.id, person=found.person(), visitor=visitor(request))
            await outbox.record(session, conversion, region=request.app[SITE].region)
    if not found:
        answers.errors.setdefault("email", "There is no account with this address.")
        return await page(request, "form.html", status=422, answers=answers, note="", **_SIGN_IN)
    session_id = token_urlsafe()
    request.app[SITE].logins[session_id] = found.id
    response = redirect("/account")
    response.set_cookie(SESSION, session_id, httponly=True, samesite="Lax")
    return response


async def sign_out(request: web.Request) -> web.Response:
    """Sign out."""
    request.app[SITE].logins.pop(request.cookies.get(SESSION, ""), None)
    response = redirect("/")
    response.del_cookie(SESSION)
    return response


async def account_page(request: web.Request) -> web.Response:
    """Show the account, with the mail that a real CRM would have sent."""
    async with request.app[SITE].sessions() as session:
        current = await account(request, session)
        if current is None:
            return redirect("/sign-in")
        order = await crm.newest_order(session, current.id)
    plan = PLANS[order.plan][0] if order else None
    return await page(request, "account.html", account=current, order=order, plan=plan)


async def verify(request: web.Request) -> web.Response:
    """Mark the e-mail address as verified when its link is opened. Opening it again changes nothing."""
    token = request.query.get("token", "")
    async with request.app[SITE].sessions.begin() as session:
        found = await session.scalar(select(CrmAccount).where(CrmAccount.token == token).with_for_update())
        if found is None:
            return await page(
                request, "message.html", status=404, title="This link is not valid", text="It may be incomplete."
            )
        if found.verified_at is None:
            found.verified_at = datetime.now(UTC)
            conversion = outbox.EmailVerified(
                account_id=found.id, person=found.person(), visitor=visitor(request, url=str(request.url))
            )
            await outbox.record(session, conversion, region=request.app[SITE].region)
    return redirect("/account")


async def purchase_page(request: web.Request) -> web.Response:
    """Show the plans."""
    async with request.app[SITE].sessions() as session:
        current = await account(request, session)
    if current is None:
        return redirect("/sign-in")
    answers = Answers({"city": current.city, "postal_code": current.postal_code, "plan": "team"})
    return await page(request, "purchase.html", answers=answers, plans=PLANS, fields=forms.BILLING)


async def purchase(request: web.Request) -> web.Response:
    """Sell a subscription; here the payment always succeeds."""
    answers = await forms.read(request, forms.BILLING)
    plan = str((await request.post()).get("plan", ""))
    if plan not in PLANS:
        return redirect("/purchase")
    async with request.app[SITE].sessions.begin() as session:
        current = await account(request, session)
        if current is None:
            return redirect("/sign-in")
        current.city = answers.values["city"] or current.city
        current.postal_code = answers.values["postal_code"] or current.postal_code
        order = Order(account_id=current.id, plan=plan, amount=PLANS[plan][1], currency=CURRENCY)
        session.add(order)
        conversion = outbox.SubscriptionPurchased(
            account_id=current.id,
            value=order.amount,
            currency=order.currency,
            order_id=order.id,
            product=f"{PRODUCT}-{plan}",
            person=current.person(),
            visitor=visitor(request),
        )
        await outbox.record(session, conversion, region=request.app[SITE].region)
    return redirect("/account")
