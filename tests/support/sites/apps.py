"""The same small site in each framework: `/form` reads a form and the visitor, `/body` the visitor and then the body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import fastapi
import flask
from aiohttp import web
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import outbox
from tests.support.sites.seen import options, remember


def aiohttp_site() -> web.Application:
    """Return the site in aiohttp."""

    async def form(request: web.Request) -> web.Response:
        remember(outbox.visitor_from_aiohttp(request, form=await request.post(), **options()))
        return web.Response()

    async def body(request: web.Request) -> web.Response:
        remember(outbox.visitor_from_aiohttp(request, **options()))
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_route("*", "/form", form)
    app.router.add_route("*", "/body", body)
    return app


def starlette_site() -> Starlette:
    """Return the site in Starlette."""

    async def form(request: Request) -> Response:
        async with request.form() as fields:
            remember(outbox.visitor_from_starlette(request, form=fields, **options()))
        return Response()

    async def body(request: Request) -> Response:
        remember(outbox.visitor_from_starlette(request, **options()))
        return Response(await request.body())

    methods = ["GET", "POST"]
    return Starlette(routes=[Route("/form", form, methods=methods), Route("/body", body, methods=methods)])


async def _fields(request: fastapi.Request) -> AsyncIterator[FormData]:
    async with request.form() as fields:
        yield fields


Fields = Annotated[FormData, fastapi.Depends(_fields)]


def fastapi_site() -> fastapi.FastAPI:
    """Return the site in FastAPI: `/form` is a function on a thread, `/async-form` a coroutine."""
    app = fastapi.FastAPI()

    def form(request: fastapi.Request, form: Fields) -> None:
        remember(outbox.visitor_from_starlette(request, form=form, **options()))

    async def async_form(request: fastapi.Request) -> None:
        async with request.form() as fields:
            remember(outbox.visitor_from_starlette(request, form=fields, **options()))

    async def body(request: fastapi.Request) -> fastapi.Response:
        remember(outbox.visitor_from_starlette(request, **options()))
        return fastapi.Response(await request.body())

    for path, handler in (("/form", form), ("/async-form", async_form), ("/body", body)):
        app.add_api_route(path, handler, methods=["GET", "POST"])
    return app


def flask_site() -> flask.Flask:
    """Return the site in Flask."""
    app = flask.Flask(__name__)

    @app.route("/form", methods=["GET", "POST"])
    def form() -> str:
        remember(outbox.visitor_from_flask(flask.request, form=flask.request.form, **options()))
        return ""

    @app.route("/body", methods=["GET", "POST"])
    def body() -> bytes:
        remember(outbox.visitor_from_flask(flask.request, **options()))
        return flask.request.get_data()

    return app
