"""Log in, create an account (`/signin`, as in the tutorial), and sign out."""

import re
from abc import abstractmethod
from typing import Any, NoReturn

import aiohttp_jinja2
from aiohttp import web
from aiohttp_session import get_session
from yarl import URL

from address import client_address
from auth.attempts import LIMITS, authenticate
from auth.cookies import clear_session, set_session
from auth.logins import BadLogin, check_login
from auth.models import BadEmail, User, UserExists, check_email
from auth.passwords import HASHER, WeakPassword, check_strength
from auth.sessions import IDENTITY
from database import DB, DatabaseUnavailable, Document
from forms import (
    FormError,
    FormPage,
    check_filled,
    check_repeated,
    database_away,
    redirect,
    url_for,
)
from limits import Busy
from metrics import METRICS

LOGIN_OR_EMAIL_LENGTH = 254  # characters of a login or e-mail address at the log-in form
WRONG_LOGIN = "Wrong login or password"
OUTCOMES = {401: "wrong", 403: "banned", 429: "limited", 503: "unavailable"}  # else "invalid"
SIGNED_OUT = "You have been signed out. Please log in again."

# The path and query of a page of ours; browsers take // and /\ for the beginning of a host.
OWN_PAGE = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")


class AccountForm(FormPage):
    """A form that signs the browser in."""

    def form_page(self) -> dict[str, Any]:
        """Return what the empty page shows. Redirects users who are already signed in."""
        if IDENTITY in self.request:
            redirect(self.request, "main")
        return {"form": {}}

    async def act(self, form: dict[str, str]) -> URL:
        """Sign the browser in to the account of the form."""
        try:
            user = await self.account(form)
            await set_session(self.request, str(user["_id"]), user["login"])
            # The password may have been changed while it was checked, perhaps because somebody had
            # stolen it: then this new session must end, too.
            if not await User(self.request[DB]).has_password_of(user):
                await clear_session(self.request)
                raise FormError(401, WRONG_LOGIN, "password")
        except DatabaseUnavailable:
            raise database_away() from None
        limits, address = self.request.app[LIMITS], client_address(self.request)
        for name in (user["login_key"], user["email_key"]):
            limits.remember(name, address)
        return url_for(self.request, "main")

    @abstractmethod
    async def account(self, form: dict[str, str]) -> Document:
        """Return the account that the form is for. Raises FormError, Busy, DatabaseUnavailable."""


class Login(AccountForm):
    """Log in with a login or an e-mail address."""

    template = "auth/login.html"

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the form, and say why to those who were signed out."""
        context = self.form_page()
        context["form"] = {"next": self.request.query.get("next", "")}
        context["notice"] = SIGNED_OUT if "id" in await get_session(self.request) else None
        return context

    head = get

    async def act(self, form: dict[str, str]) -> URL:
        """Log in, and go on to where the visitor wanted to go."""
        url, wanted = await super().act(form), form.get("next", "")
        self.request.app[METRICS].log_ins.labels("ok").inc()
        return URL(wanted, encoded=True) if OWN_PAGE.fullmatch(wanted) else url

    async def refuse(self, form: dict[str, str], error: FormError) -> web.Response:
        """Return the page with the error in it."""
        self.request.app[METRICS].log_ins.labels(OUTCOMES.get(error.status, "invalid")).inc()
        return await super().refuse(form, error)

    async def account(self, form: dict[str, str]) -> Document:
        """Return the account if the password is right and it is not banned."""
        name, password = form.get("login", "").strip(), form.get("password", "")
        if not name or not password:
            raise FormError(400, "Please fill all fields", "password" if name else "login")
        if len(name) > LOGIN_OR_EMAIL_LENGTH:
            raise FormError(
                400, f"A login or e-mail has at most {LOGIN_OR_EMAIL_LENGTH} characters", "login"
            )
        user = await authenticate(self.request, name, password, field="password", wrong=WRONG_LOGIN)
        if user.get("banned"):  # told only to somebody who knows the password
            raise FormError(403, "This account has been banned", "login")
        return user


class SignIn(AccountForm):
    """Create an account."""

    template = "auth/sign.html"

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the form."""
        return self.form_page()

    head = get

    async def account(self, form: dict[str, str]) -> Document:
        """Return the new account."""
        check_filled(form, "login", "email", "password", "password2")
        check_repeated(form)
        login, email, password = form["login"].strip(), form["email"].strip(), form["password"]
        app, address = self.request.app, client_address(self.request)
        users, limits = User(self.request[DB]), app[LIMITS]
        attempt = limits.registration(address)
        try:
            login = check_login(login)
            check_email(email)
            check_strength(password, login, email)
            if wait := limits.take(attempt):
                raise FormError(429, "Too many new accounts from here, please wait", None, wait)
            return await users.create_user(login, email, password, app[HASHER])
        except BadLogin as error:
            raise FormError(400, str(error), "login") from None
        except BadEmail as error:
            raise FormError(400, str(error), "email") from None
        except WeakPassword as error:
            raise FormError(400, str(error), "password") from None
        except UserExists:
            # It counts: otherwise anybody could find out quickly which logins and addresses exist.
            is_login = await users.find(login) or await users.has_login_like(login)
            field = "login" if is_login else "email"
            raise FormError(409, "User exists", field) from None
        except (Busy, DatabaseUnavailable):
            limits.give_back(attempt)
            raise


class SignOut(web.View):
    """End the session, and with it the sockets it holds open."""

    @aiohttp_jinja2.template("auth/signout.html")
    async def get(self) -> dict[str, Any]:
        """Ask with a button, so that a link in a message signs out nobody who follows it."""
        if IDENTITY not in self.request:
            redirect(self.request, "login")
        return {"user": self.request[IDENTITY]}

    head = get

    async def post(self) -> NoReturn:
        """Sign out and go to the log-in page."""
        await clear_session(self.request)
        redirect(self.request, "login")
