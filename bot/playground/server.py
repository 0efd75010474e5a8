"""One web application: the Bot API, the people's side and the page, for this machine alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from urllib.parse import urlsplit

from aiohttp import web

from bot.playground.bot_side import BotSide
from bot.playground.people_side import PeopleSide, explain_mistakes

# Telegram takes files of 2 GB from people; a test needs one over the bot's 20 MB.
MOST_REQUEST_BYTES = 128 * 1024 * 1024
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PAGE = {
    "/": ("index.html", "text/html"),
    "/chat.js": ("chat.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(bot_side: BotSide, people_side: PeopleSide) -> web.Application:
    """The web application, not yet serving."""
    app = web.Application(
        client_max_size=MOST_REQUEST_BYTES, middlewares=[only_this_machine, explain_mistakes]
    )
    app.add_routes([*bot_side.routes(), *people_side.routes()])
    for path in PAGE:
        app.router.add_get(path, _page)
    return app


@web.middleware
async def only_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses what another site's page could send here: a foreign Host, Origin or fetch."""
    host = request.headers.get("Host", "")
    if _name(f"//{host}") not in LOOPBACK:
        raise web.HTTPForbidden(text="this host name is not served")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise web.HTTPForbidden(text="this origin is not served")
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.path != "/":
        raise web.HTTPForbidden(text="other sites are not served")
    response = await handler(request)
    if not response.prepared:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _page(request: web.Request) -> web.Response:
    name, content_type = PAGE[request.path]
    text = resources.files("bot.playground").joinpath("page", name).read_text("utf-8")
    return web.Response(
        text=text,
        content_type=content_type,
        headers={
            "Content-Security-Policy": PAGE_POLICY,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )
