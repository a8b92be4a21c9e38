"""The account pages: log in, register (`/signin`, as the tutorial has it), sign out."""

from abc import abstractmethod
from typing import NoReturn

import aiohttp_jinja2
from aiohttp import web

from auth.attempts import LIMITS, is_proven
from auth.models import BadEmail, BadLogin, User, UserExists
from auth.passwords import HASHER, Busy, WeakPassword, check_strength
from auth.sessions import IDENTITY, clear_session, set_session
from database import DB, DatabaseUnavailable, Document
from forms import (
    FormError,
    check_filled,
    check_repeated,
    database_away,
    error_response,
    read_form,
    redirect,
    too_busy,
)
from limits import client_address

NAME_LENGTH = 254  # characters of a login or e-mail address at the log-in form
WRONG = "Wrong login or password"


class AccountForm(web.View):
    """A page with a form that ends in being signed in."""

    template: str

    async def get(self) -> web.Response:
        """Show the form to whoever is not signed in."""
        if IDENTITY in self.request:
            redirect(self.request, "main")
        return aiohttp_jinja2.render_template(self.template, self.request, {"form": {}})

    head = get

    async def post(self) -> web.Response:
        """Take the form and sign the browser in, or say what is wrong."""
        form: dict[str, str] = {}
        try:
            form = await read_form(self.request)
            user = await self.accept(form)
            await set_session(self.request, str(user["_id"]), user["login"])
            # Whoever changes a stolen password ends the sessions there are: not one that is
            # begun meanwhile, with the old one.
            if not await User(self.request.app[DB]).is_current(user):
                await clear_session(self.request)
                raise FormError(401, WRONG, "password")
        except FormError as error:
            return self.refuse(form, error)
        except Busy:
            return self.refuse(form, too_busy())
        except DatabaseUnavailable:
            return self.refuse(form, database_away())
        redirect(self.request, "main")

    @abstractmethod
    async def accept(self, form: dict[str, str]) -> Document:
        """Return the account that the form signs in to. Raises FormError."""

    def refuse(self, form: dict[str, str], error: FormError) -> web.Response:
        """Answer with the form and what is wrong with it."""
        return error_response(self.request, self.template, {"form": form}, error)


class Login(AccountForm):
    """Log in with a login or an e-mail address."""

    template = "auth/login.html"

    async def accept(self, form: dict[str, str]) -> Document:
        """Check the password, and only then tell that an account is banned."""
        name, password = form.get("login", "").strip(), form.get("password", "")
        if not name or not password:
            raise FormError(400, "Please fill all fields", "password" if name else "login")
        if len(name) > NAME_LENGTH:
            raise FormError(400, "That is too long for a login or an address", "login")
        user = await User(self.request.app[DB]).find(name)
        if not await is_proven(self.request, user, name, password, "password") or user is None:
            raise FormError(401, WRONG, "password")
        if user.get("banned"):
            raise FormError(403, "This account has been banned", "login")
        return user


class SignIn(AccountForm):
    """Create an account."""

    template = "auth/sign.html"

    async def accept(self, form: dict[str, str]) -> Document:
        """Check the fields, count the registration, store the account."""
        check_filled(form, "login", "email", "password", "password2")
        check_repeated(form)
        login, email, password = form["login"].strip(), form["email"].strip(), form["password"]
        address = client_address(self.request)
        registrations = self.request.app[LIMITS].registrations
        try:
            check_strength(password, login, email)
            if wait := registrations.take(address):
                raise FormError(429, "Too many new accounts from here, please wait", None, wait)
            users = User(self.request.app[DB])
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
