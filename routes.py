"""The one table of routes."""

from aiohttp import web
from aiohttp.abc import AbstractView
from aiohttp.typedefs import Handler

from account.own_messages import OwnMessages
from account.views import Account
from auth.views import Login, SetPassword, SignIn, SignOut
from chat.correction import Correction
from chat.health import healthz
from chat.views import ChatList, ReadMark, WebSocket
from files.views import FileContent, Preview, Upload
from pages.assets import asset
from people.views import Absent, Names, People, Person
from search.views import Search
from server.metrics import scrape

routes: list[tuple[str, str, Handler | type[AbstractView], str]] = [
    ("GET", "/", ChatList, "main"),
    ("POST", "/", ChatList, "main"),
    ("GET", "/search", Search, "search"),
    ("GET", "/message/{seq:[0-9]{1,15}}", Correction, "message"),
    ("POST", "/message/{seq:[0-9]{1,15}}", Correction, "message"),
    ("GET", "/read/{seq:[0-9]{1,15}}", ReadMark, "read"),
    ("POST", "/read/{seq:[0-9]{1,15}}", ReadMark, "read"),
    ("GET", "/ws", WebSocket, "chat"),
    ("POST", "/file", Upload, "upload"),
    ("GET", "/file/{id:[A-Za-z0-9_-]{22}}", FileContent, "file"),
    ("GET", "/file/{id:[A-Za-z0-9_-]{22}}/preview", Preview, "preview"),
    ("*", "/login", Login, "login"),
    ("*", "/signin", SignIn, "signin"),
    ("*", "/signout", SignOut, "signout"),
    ("GET", "/password", SetPassword, "set_password"),
    ("POST", "/password", SetPassword, "set_password"),
    ("GET", "/account", Account, "account"),
    ("POST", "/account", Account, "account"),
    ("GET", "/account/messages.jsonl", OwnMessages, "own_messages"),
    ("GET", "/people", People, "people"),
    ("POST", "/people", People, "people"),
    ("GET", "/people/names", Names, "names"),
    ("GET", "/people/absent", Absent, "absent"),
    ("GET", "/person", Person, "person"),
    ("POST", "/person", Person, "person"),
    ("GET", "/healthz", healthz, "healthz"),
    ("GET", "/metrics", scrape, "metrics"),
    ("GET", "/static/{filename:.+}", asset, "static"),
]

ROUTES_WITHOUT_DATABASE = {"static", "healthz", "metrics"}
PUBLIC_ROUTES = {
    "login",
    "signin",
    "signout",
    "set_password",
} | ROUTES_WITHOUT_DATABASE  # need no session


def setup_routes(app: web.Application) -> None:
    """Add the table to the application."""
    for method, path, handler, name in routes:
        app.router.add_route(method, path, handler, name=name)
        if method == "GET" and path != "/ws":
            app.router.add_route("HEAD", path, handler, name=name)


def route_name(request: web.Request) -> str | None:
    """Return the name of the request's route, None if no route has its path and method."""
    return request.match_info.route.name
