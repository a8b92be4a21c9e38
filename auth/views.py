"""Log in, create an account (`/signin`, as in the tutorial), set a new password, and sign out."""

import re
from abc import abstractmethod
from contextlib import nullcontext, suppress
from typing import Any, NoReturn

import aiohttp_jinja2
from aiohttp import web
from aiohttp_session import get_session
from yarl import URL

from auth.attempts import LIMITS, authenticate
from auth.cookies import clear_session, set_session
from auth.links import PASSWORD, Links, UsedUp
from auth.logins import check_login
from auth.models import EMAIL_LENGTH, User, UserExists, check_email, is_moderator
from auth.pages import SIGNED_OUT
from auth.passwords import HASHER, check_strength
from auth.registration import INVALID, Admission, admit
from auth.sessions import IDENTITY, SESSIONS
from auth.spelling import fold
from pages.forms import (
    BadInput,
    FormError,
    FormPage,
    Page,
    check_filled,
    check_repeated,
    database_away,
    redirect,
    url_for,
)
from security.address import client_address
from security.limits import Busy
from server.metrics import METRICS
from settings import SETTINGS
from storage.database import DB, DatabaseUnavailable, Document

WRONG_LOGIN = "Wrong login or password"
OUTCOMES = {401: "wrong", 403: "banned", 429: "limited", 503: "unavailable"}  # else "invalid"
INVALID_LINK = "This link can't be used. Please ask for a new one."

# The path and query of a page of ours, up to the longest search; browsers take // and /\ for the
# beginning of a host.
OWN_PAGE = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")


class AccountForm(FormPage):
    """A form that signs the browser in."""

    async def act(self, form: dict[str, str]) -> URL:
        """Sign the browser in to the account of the form, and go on to the page that was wanted."""
        try:
            user = await self.account(form)
            await set_session(self.request, str(user["_id"]), user["login"])
            # While the password was checked, it may have been changed, perhaps because somebody had
            # stolen it, or the account may have been banned or deleted: then this new session must
            # end, too.
            stored = await User(self.request[DB]).get(str(user["_id"]))
            if not stored or stored.get("banned") or stored["password"] != user["password"]:
                await clear_session(self.request)
                raise FormError(401, WRONG_LOGIN, "password")
        except DatabaseUnavailable:
            raise database_away() from None
        limits, address = self.request.app[LIMITS], client_address(self.request)
        for name in (user["login_key"], user["email_key"]):
            limits.remember(name, address)
        return self.wanted(form.get("next", ""))

    def wanted(self, path: str) -> URL:
        """Return the page that a visitor wanted before the log-in; the chat if it is none of ours.

        What follows a # never reaches the server, so links to messages have ?around=, too.
        """
        own = OWN_PAGE.fullmatch(path)
        return URL(path, encoded=True) if own else url_for(self.request, "main")

    @abstractmethod
    async def account(self, form: dict[str, str]) -> Document:
        """Return the account that the form is for. Raises FormError, Busy, DatabaseUnavailable."""


class Login(AccountForm):
    """Log in with a login or an e-mail address."""

    template = "auth/login.html"

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the form, and tell whoever was signed out why."""
        wanted = self.request.query.get("next", "")
        if IDENTITY in self.request:  # perhaps since another tab has logged in
            raise web.HTTPSeeOther(self.wanted(wanted))
        context = await self.context({"next": wanted})
        context["notice"] = SIGNED_OUT if "id" in await get_session(self.request) else None
        return context

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows."""
        may_register = self.request.app[SETTINGS].REGISTRATION == "open"
        with suppress(FormError, DatabaseUnavailable):
            if not may_register:
                await admit(self.request, "")
                may_register = True
        is_signed_out = IDENTITY not in self.request
        return {"form": form, "may_register": may_register, "is_signed_out": is_signed_out}

    async def act(self, form: dict[str, str]) -> URL:
        """Log in."""
        url = await super().act(form)
        self.request.app[METRICS].log_ins.labels("ok").inc()
        return url

    async def refuse(self, form: dict[str, str], error: FormError) -> web.Response:
        """Return the page with the error in it."""
        self.request.app[METRICS].log_ins.labels(OUTCOMES.get(error.status, "invalid")).inc()
        return await super().refuse(form, error)

    async def account(self, form: dict[str, str]) -> Document:
        """Return the account if the password is right and it is not banned."""
        check_filled(form, "login", "password")
        name = form["login"].strip()
        if len(name) > EMAIL_LENGTH:
            raise BadInput("login", f"A login or e-mail has at most {EMAIL_LENGTH} characters")
        users, limits = User(self.request[DB]), self.request.app[LIMITS]
        user = await authenticate(
            self.request,
            limits.log_in_attempt(fold(name), client_address(self.request)),
            lambda: users.find(name),
            form["password"],
            name=fold(name),
            field="password",
            wrong=WRONG_LOGIN,
        )
        if user.get("banned"):  # told only to somebody who knows the password
            raise FormError(403, "This account has been banned", "login")
        return user


class SignIn(AccountForm):
    """Create an account."""

    template = "auth/sign.html"
    admission: Admission | None = None  # once the visitor has been admitted

    async def get(self) -> web.StreamResponse:
        """Show the form, or why the visitor can't create an account."""
        if IDENTITY in self.request:
            raise web.HTTPSeeOther(self.wanted(self.request.query.get("next", "")))
        form = {name: self.request.query.get(name, "") for name in ("invitation", "next")}
        try:
            self.admission = await admit(self.request, form["invitation"])
        except FormError as error:
            return await self.refuse(form, error)
        context = await self.context(form)
        return aiohttp_jinja2.render_template(self.template, self.request, context)

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows."""
        return {"form": form, "admission": self.admission}

    async def account(self, form: dict[str, str]) -> Document:
        """Return the new account."""
        self.admission = admission = await admit(self.request, form.get("invitation", ""))
        check_filled(form, "login", "email", "password")
        check_repeated(form)
        login, email, password = form["login"].strip(), form["email"].strip(), form["password"]
        app, db, invitation = self.request.app, self.request[DB], admission.invitation
        users, limits = User(db), app[LIMITS]
        link_id = invitation["_id"] if invitation else ""
        attempt = limits.registration_attempt(client_address(self.request), link_id)
        login = check_login(login)
        check_email(email)
        check_strength(password, login, email)
        try:
            if wait := limits.use_or_wait(attempt):
                raise FormError(429, "Too many new accounts from here, please wait", None, wait)
            if invitation:  # it counts by its own uses, and here only what fails
                limits.give_back(attempt)
            async with Links(db).used(invitation) if invitation else nullcontext():
                user = await users.create_user(
                    login,
                    email,
                    password,
                    app[HASHER],
                    is_first=admission.is_first,
                    moderates=admission.makes_moderator,
                    invitation=invitation["_id"] if invitation else None,
                )
        except UsedUp:
            raise FormError(403, INVALID) from None
        except UserExists:
            # It counts: otherwise anybody could find out quickly which logins and addresses exist.
            if invitation:
                limits.use_or_wait(attempt)
            if await users.find(login) or await users.has_login_like(login):
                raise FormError(409, "User exists", "login") from None
            if not admission.is_first or await users.find(email):
                raise FormError(409, "User exists", "email") from None
            raise FormError(
                409, "Somebody else has just created the first account, please try again"
            ) from None
        except (Busy, DatabaseUnavailable):
            if not invitation:
                limits.give_back(attempt)
            raise
        if invitation:  # one who got it right in the end has made no guess
            limits.give_back(attempt)
        return user


class SetPassword(AccountForm):
    """Set a new password by a link, which a moderator or the operator has made."""

    template = "auth/password.html"

    async def get(self) -> web.StreamResponse:
        """Show the form, or that the link can't be used."""
        form = {"link": self.request.query.get("link", "")}
        try:
            _, user = await self.find(form)
        except FormError as error:
            return await self.refuse(form, error)
        context = {"form": form, "login": user["login"]}
        return aiohttp_jinja2.render_template(self.template, self.request, context)

    async def account(self, form: dict[str, str]) -> Document:
        """Set the password, end the account's sessions, and return it."""
        link, user = await self.find(form)
        check_filled(form, "password")
        check_repeated(form)
        check_strength(form["password"], user["login"], user.get("email") or "")
        app, db = self.request.app, self.request[DB]
        users, links = User(db), Links(db)
        try:
            async with links.used(link):
                # Not if somebody else has just changed it, perhaps with another link.
                if not await users.change_password(user, form["password"], app[HASHER]):
                    raise UsedUp
                # Within the block: if it fails, the link can be used again to end them.
                await app[SESSIONS].end_all(str(user["_id"]))
        except UsedUp:
            raise FormError(403, INVALID_LINK) from None
        await links.revoke_passwords(str(user["_id"]))  # others may have been made, and lost
        return user

    async def context(self, form: dict[str, str]) -> dict[str, Any]:
        """Return what the page shows after an error. Raises DatabaseUnavailable."""
        with suppress(FormError):
            _, user = await self.find(form)
            return {"form": form, "login": user["login"]}
        return {"form": form}

    async def find(self, form: dict[str, str]) -> tuple[Document, Document]:
        """Return the link and its account. Raises FormError, DatabaseUnavailable."""
        moderators = self.request.app[SETTINGS].MODERATORS
        link = await Links(self.request[DB]).find(PASSWORD, form.get("link", ""), moderators)
        user = await User(self.request[DB]).get(link["user_id"]) if link else None
        if link is None or user is None or user.get("banned"):
            raise FormError(403, INVALID_LINK)
        # MODERATORS may name somebody since a moderator has made the link.
        if link["maker_id"] and is_moderator(user, moderators):
            raise FormError(403, INVALID_LINK)
        return link, user


class SignOut(Page):
    """End the session, and with it the sockets it holds open."""

    @aiohttp_jinja2.template("auth/signout.html")
    async def get(self) -> dict[str, Any]:
        """Ask with a button, so that following a link signs nobody out."""
        if IDENTITY not in self.request:
            redirect(self.request, "login")
        return {"user": self.request[IDENTITY]}

    async def post(self) -> NoReturn:
        """Sign out and go to the log-in page."""
        await clear_session(self.request)
        redirect(self.request, "login")
