"""The static files: read once, kept in memory, and sent compressed if the client accepts it.

A script or a style sheet is sent together with those that it imports, so that a page has few
requests; with DEBUG each by itself, as it stands in its file.

Pages link to them at an address with a version, a hash of all of them: so browsers keep them for
ever, also the modules that others import, and ask for new ones after a deploy.
"""

import gzip
import hashlib
import mimetypes
import re
from pathlib import Path
from typing import NamedTuple

from aiohttp import web
from aiohttp_jinja2 import static_root_key

from pages.branding import branded, logo_path
from pages.joining import join_script, join_style
from pages.streaming import is_known
from settings import ROOT, SETTINGS, Settings

FOLDER = ROOT / "static"
JOINED = (".js", ".css")
FOREVER = "public, max-age=31536000, immutable"
VERSION = re.compile(r"^v-[0-9a-f]{12}/")
TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")  # q=0 means: not gzip


class Asset(NamedTuple):
    """A static file, plain and compressed."""

    body: bytes
    compressed: bytes
    content_type: str
    etag: str


ASSETS = web.AppKey("assets", dict[str, Asset])


def read_assets(settings: Settings) -> dict[str, Asset]:
    """Return the files of the folder, by their path in it, as this room has them, and its logo."""
    bodies = {name: branded(name, path.read_bytes(), settings) for name, path in _paths().items()}
    texts = {name: body.decode() for name, body in bodies.items() if name.endswith(JOINED)}
    for name in texts:
        join = join_script if name.endswith(".js") else join_style
        bodies[name] = join(name, texts).encode()
    if logo := settings.ROOM_LOGO:
        bodies[logo_path(logo)] = logo.content
    return {name: _asset(name, body) for name, body in bodies.items()}


def static_root(assets: dict[str, Asset], *, debug: bool) -> str:
    """Return the address under which pages link to the files; with `debug`, one without version."""
    if debug:
        return "/static"
    etags = repr(sorted((name, asset.etag) for name, asset in assets.items()))
    return f"/static/v-{hashlib.sha1(etags.encode()).hexdigest()[:12]}"


async def asset(request: web.Request) -> web.Response:
    """Send a file, or 304 if the client has it. Raises HTTPNotFound."""
    app, is_final = request.app, request.path.startswith(f"{request.app[static_root_key]}/")
    # A page of another version gets the present files, too: during a deploy, or after it.
    name = VERSION.sub("", request.match_info["filename"])
    found = app[ASSETS].get(name)
    if app[SETTINGS].DEBUG:  # it may be new, or change
        is_final = False
        if path := _paths().get(name):
            found = _asset(name, branded(name, path.read_bytes(), app[SETTINGS]))
    if found is None:
        raise web.HTTPNotFound
    headers = {
        "ETag": f'"{found.etag}"',
        "Vary": "Accept-Encoding",
        "Cache-Control": FOREVER if is_final else "no-cache",
    }
    if is_known(request, found.etag):
        return web.Response(status=304, headers=headers, content_type=found.content_type)
    body = found.body
    if TAKES_GZIP.search(request.headers.get("Accept-Encoding", "")):
        body = found.compressed
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, content_type=found.content_type, headers=headers)


def _paths() -> dict[str, Path]:
    paths = (path for path in FOLDER.rglob("*") if path.is_file())
    return {path.relative_to(FOLDER).as_posix(): path for path in paths}


def _asset(name: str, body: bytes) -> Asset:
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    # mtime=0, so that the same file always compresses to the same bytes.
    return Asset(body, gzip.compress(body, mtime=0), content_type, hashlib.sha1(body).hexdigest())
