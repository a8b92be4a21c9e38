"""What the templates of every page have: the filters, the globals, and the addresses of pages."""

import asyncio
import gzip
from collections.abc import Callable
from functools import lru_cache

import aiohttp_jinja2
import jinja2
from aiohttp import web
from yarl import URL

from pages.accent import tones
from pages.assets import ASSETS, TAKES_GZIP, read_assets, static_root
from pages.branding import ICON, logo_path
from pages.sizes import size_text
from pages.times import iso_time
from security.guard import FROM_OUR_PAGES
from settings import ROOT, SETTINGS

CACHED_URLS = 4096
THEMES = ("light", "dark")
COMPRESSED_FROM = 4096  # bytes of a page; shorter ones fit into a few packets anyway
# A page of 50 messages has 39 kB: the first level makes 5.7 kB of it in 0.1 ms, the sixth 5.2 kB in
# 0.25 ms.
COMPRESSION_LEVEL = 1
IN_A_THREAD_FROM = 128 * 1024  # bytes, which take 1 ms; 50 of the longest messages take 5 ms


def setup_templates(app: web.Application) -> None:
    """Set up Jinja and the static files, once the application has its settings and routes."""
    settings = app[SETTINGS]
    app[ASSETS] = read_assets(settings)
    app[aiohttp_jinja2.static_root_key] = static_root(app[ASSETS], debug=settings.DEBUG)
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(ROOT / "templates"),
        auto_reload=settings.DEBUG,
        trim_blocks=True,
        lstrip_blocks=True,
        context_processors=[theme_of],
    )
    env.filters["iso_time"] = iso_time
    env.filters["size_text"] = size_text
    env.globals["url"] = cached_url(app)
    env.globals["room_name"] = settings.ROOM_NAME
    env.globals["registration"] = settings.REGISTRATION
    env.globals["file_limit"] = settings.FILE_SIZE_LIMIT
    logo, colour = settings.ROOM_LOGO, settings.ROOM_COLOR
    env.globals["logo"] = logo_path(logo) if logo else None
    env.globals["room_icon"] = env.globals["logo"] or ICON
    env.globals["accent"] = tones(colour).light if colour else None
    app.on_response_prepare.append(compress_page)


async def compress_page(request: web.Request, response: web.StreamResponse) -> None:
    """Compress a page for a browser that takes that.

    But not where another site may have chosen what the page repeats, such as the words of a search:
    from how small they become beside the rest, whoever sees the traffic could guess what that is
    (BREACH).
    """
    if not isinstance(response, web.Response) or response.content_type != "text/html":
        return
    body = response.body
    if not isinstance(body, bytes) or len(body) < COMPRESSED_FROM:
        return
    response.headers["Vary"] = "Accept-Encoding"
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_chosen = bool(request.query_string) and site not in FROM_OUR_PAGES
    if TAKES_GZIP.search(request.headers.get("Accept-Encoding", "")) and not is_chosen:
        response.headers["Content-Encoding"] = "gzip"
        if len(body) < IN_A_THREAD_FROM:
            compressed = _compress(body)
        else:
            compressed = await asyncio.to_thread(_compress, body)
        response.body = compressed
        response.headers["Content-Length"] = str(len(compressed))  # aiohttp has set it already


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, COMPRESSION_LEVEL, mtime=0)


async def theme_of(request: web.Request) -> dict[str, str]:
    """Return the theme that somebody has chosen in this browser, "" if it follows the system."""
    theme = request.cookies.get("theme", "")
    return {"theme": theme if theme in THEMES else ""}


def cached_url(app: web.Application) -> Callable[..., URL]:
    """Return aiohttp-jinja2's url(), but cached: a page has a dozen links, each built in 20 µs."""

    @lru_cache(maxsize=CACHED_URLS)
    def url(route_name: str, **parts: str | int) -> URL:
        return app.router[route_name].url_for(**{name: str(part) for name, part in parts.items()})

    return url
