"""Django, set up in this process, and its site for the tests of framework adapters."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import path

import outbox
from tests.support.sites.seen import options, remember

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True, MIDDLEWARE=[])
django.setup(set_prefix=False)


def form(request: HttpRequest) -> HttpResponse:
    """Read the form, then the visitor."""
    remember(outbox.visitor_from_django(request, form=request.POST, **options()))
    return HttpResponse()


async def async_form(request: HttpRequest) -> HttpResponse:
    """Read the form in an asynchronous view."""
    return form(request)


def body(request: HttpRequest) -> HttpResponse:
    """Read the visitor, then the body."""
    remember(outbox.visitor_from_django(request, **options()))
    return HttpResponse(request.body)


urlpatterns = [path("form", form), path("async-form", async_form), path("body", body)]
wsgi = WSGIHandler()
asgi = ASGIHandler()


def request(environ: dict[str, Any]) -> HttpRequest:
    """Return Django's request of a WSGI environment."""
    return WSGIRequest(environ)
