"""The account pages: log in, create an account (`/signin`, as in the tutorial), and sign out."""

from abc import abstractmethod
from typing import Any, NoReturn

import aiohttp_jinja2
from aiohttp import web

from auth.attempts import LIMITS, authenticate
from auth.cookies import clear_session, set_session
from auth.models import BadEmail, BadLogin, User, UserExists
from auth.passwords import HASHER, WeakPassword, check_strength
from auth.sessions import IDENTITY
from database import DB, DatabaseUnavailable, Document
from forms import FormError, FormPage, check_filled, check_repeated, database_away, redirect
from limits import Busy, client_address

NAME_LENGTH = 254  # characters of a login or e-mail address at the log-in form
WRONG = "Wrong login or password"


class AccountForm(FormPage):
    """A form that signs the browser in."""

    def form_page(self) -> dict[str, Any]:
        """Return what an empty form's page shows. Raises HTTPSeeOther for who is signed in."""
        if IDENTITY in self.request:
            redirect(self.request, "main")
        return {"form": {}}

    async def act(self, form: dict[str, str]) -> str:
        """Sign the browser in to the account of the form."""
        try:
            user = await self.account(form)
            await set_session(self.request, str(user["_id"]), user["login"])
            # Changing a stolen password ends all sessions. One that the thief begins at that very
            # moment with the old password must not survive.
            if not await User(self.request[DB]).is_current(user):
                await clear_session(self.request)
                raise FormError(401, WRONG, "password")
        except DatabaseUnavailable:
            raise database_away() from None
        return "main"

    @abstractmethod
    async def account(self, form: dict[str, str]) -> Document:
        """Return the account that the form is for. Raises FormError, Busy, DatabaseUnavailable."""


class Login(AccountForm):
    """Log in with a login or an e-mail address."""

    template = "auth/login.html"

    @aiohttp_jinja2.template(template)
    async def get(self) -> dict[str, Any]:
        """Show the form."""
        return self.form_page()

    head = get

    async def account(self, form: dict[str, str]) -> Document:
        """Return the account if the password is right and it is not banned."""
        name, password = form.get("login", "").strip(), form.get("password", "")
        if not name or not password:
            raise FormError(400, "Please fill all fields", "password" if name else "login")
        if len(name) > NAME_LENGTH:
            raise FormError(400, "That is too long for a login or an address", "login")
        found = await User(self.request[DB]).find(name)
        user = await authenticate(self.request, found, name, password, "password")
        if user is None:
            raise FormError(401, WRONG, "password")
        if user.get("banned"):  # only who knows the password may learn this
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
        address = client_address(self.request)
        registrations = self.request.app[LIMITS].registrations
        try:
            check_strength(password, login, email)
            if wait := registrations.take(address):
                raise FormError(429, "Too many new accounts from here, please wait", None, wait)
            users = User(self.request[DB])
            return await users.create_user(login, email, password, self.request.app[HASHER])
        except WeakPassword as error:
            raise FormError(400, str(error), "password") from None
        except (BadLogin, BadEmail) as error:
            registrations.give_back(address)
            field = "login" if isinstance(error, BadLogin) else "email"
            raise FormError(400, str(error.__doc__), field) from None
        except UserExists:
            raise FormError(409, "User exists", "login") from None
        except (Busy, DatabaseUnavailable):
            registrations.give_back(address)
            raise


class SignOut(web.View):
    """End the session, and with it the sockets it holds open."""

    async def get(self) -> NoReturn:
        """Sign out and go to the log-in page."""
        await clear_session(self.request)
        redirect(self.request, "login")

    head = post = get
