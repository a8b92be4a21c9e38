"""A real browser, and people who sit at it."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Cookie,
    Dialog,
    Locator,
    Page,
    async_playwright,
    expect,
)

from tests.support import waiting
from tests.support.people import PASSWORD, registration
from tests.support.site import ChatSite
from tests.support.sockets import clients_of
from tests.support.waiting import until

PATIENCE = 1000 * waiting.PATIENCE  # ms
A_WHILE = 30_000  # ms; a page may pause for several seconds before it comes back

ARGUMENTS = [
    "--no-sandbox",  # which refuses to work for root, as in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What Chromium itself writes into the console about a server that is away or says no.
CONNECTION_LOST = (
    "WebSocket connection to",
    "Failed to load resource: net::",
    "Failed to load resource: the server responded with a status of 503",  # it is starting
)
REFUSED = ("Failed to load resource: the server responded with a status of 4",)

# A refused script is silent in the page; this makes it as loud as any other error.
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
  console.error(`CSP: ${effectiveDirective} ${blockedURI}`))
"""

# What the status line has shown, because it shows one thing at a time.
RECORD_STATUSES = """
window.statuses = []
new MutationObserver((records) => {
  for (const { target, addedNodes } of records)
    if (target.id === "room-status") statuses.push(...[...addedNodes].map((it) => it.textContent))
}).observe(document, { childList: true, subtree: true })
"""

LARGE_FONT = """
const sheet = new CSSStyleSheet()
sheet.replaceSync("html { font-size: 200% !important }")
document.adoptedStyleSheets = [sheet]
"""


def slow_timers(shortest: int, longest: int, instead: int = 1_000_000) -> str:
    """Return a script that gives the timers of a page that have such a length (ms) another one."""
    return f"""{{
      const start = setTimeout
      window.setTimeout = (call, ms, ...more) =>
        start(call, {shortest} <= ms && ms <= {longest} ? {instead} : ms, ...more)
    }}"""


STORAGE_FAULTS = {
    "full": """Storage.prototype.setItem = () => {
      throw new DOMException("", "QuotaExceededError") }""",
    "read-only": "Storage.prototype.removeItem = () => { throw new DOMException('read-only') }",
    "forbidden": """Object.defineProperty(window, "localStorage", {
      get() { throw new DOMException("forbidden", "SecurityError") } })""",
    "missing": "Object.defineProperty(window, 'localStorage', { value: null })",
}


def executable() -> str | None:
    """Return the Chromium in PATH, None if there is only Playwright's own.

    The headless shell is the same browser without a window, for a quarter of the work.
    """
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


@asynccontextmanager
async def chromium(**environment: str) -> AsyncIterator[Browser]:
    """Run the Chromium in PATH, else Playwright's own, with more in its environment."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable(),
            args=ARGUMENTS,
            env={**os.environ, **environment},
        )
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """Somebody with a browser of their own, which notes everything that should not happen."""

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.problems: list[str] = []  # errors in the console, scripts refused, dialogs
        self.tolerates: tuple[str, ...] = ()  # beginnings of what is to be expected
        self.leaves_anyway = False  # when the browser asks, because something would be lost
        self._watch(page)

    @classmethod
    async def arrive(cls, browser: Browser, url: str, **options: Any) -> "Visitor":
        """Open a browser at nothing yet; the options are those of Playwright's contexts."""
        context = await browser.new_context(**{"locale": "en-GB", **options})
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        await context.add_init_script(REPORT_VIOLATIONS + RECORD_STATUSES)
        return cls(context, await context.new_page(), url)

    async def tab(self, path: str = "/") -> "Visitor":
        """Open another tab of the same browser."""
        other = Visitor(self.context, await self.context.new_page(), self.url)
        other.problems, other.tolerates = self.problems, self.tolerates
        await other.open(path)
        return other

    async def open(self, path: str = "/") -> None:
        """Go to a page of the chat."""
        await self.page.goto(self.url + path)

    async def sign_up(self, login: str, **fields: str) -> None:
        """Create an account without the page, and be signed in."""
        response = await self.context.request.post(
            f"{self.url}/signin", form={**registration(login, **fields)}
        )
        assert response.url == f"{self.url}/", await response.text()

    async def post(self, *texts: str) -> None:
        """Write messages without the page, one after the other."""
        for text in texts:
            response = await self.context.request.post(f"{self.url}/", form={"msg": text})
            assert response.ok, await response.text()

    async def fill(self, **fields: str) -> None:
        """Fill the fields of a form, by their ids."""
        for name, value in fields.items():
            await self.page.locator(f"#{name}").fill(value)

    async def submit(self) -> None:
        """Press the button of the form."""
        await self.page.locator("#submit").click()

    async def press(self, name: str) -> None:
        """Press the button with this name."""
        await self.page.get_by_role("button", name=name).click()

    async def menu(self) -> Locator:
        """Open the menu, unless it is open, and return it."""
        menu = self.page.locator("#menu")
        if not await menu.is_visible():
            await self.page.get_by_role("button", name="Menu of").click()
        return menu

    async def sign_out(self) -> None:
        """Press Sign out in the menu."""
        await (await self.menu()).get_by_role("button", name="Sign out").click()

    async def act(self, message: Locator, name: str) -> None:
        """Press a button of a message, which is there while the mouse is."""
        await message.hover()
        await message.get_by_role("button", name=name, exact=True).click()

    async def log_in(self, login: str, password: str = PASSWORD) -> None:
        """Log in by the page that is open."""
        await self.fill(login=login, password=password)
        await self.submit()

    async def say(self, *texts: str) -> None:
        """Write messages, and press Enter after each."""
        for text in texts:
            await self.field.fill(text)
            await self.field.press("Enter")

    async def connected(self, times: int = 1, timeout: float = PATIENCE) -> None:
        """Wait (ms) until the page has been connected, as many times."""

        async def is_connected() -> bool:
            return await self.marks("connected") == times

        await until(is_connected, timeout / 1000)

    async def disconnected(self, times: int = 1, timeout: float = PATIENCE) -> None:
        """Wait (ms) until the page has lost its connection, as many times."""

        async def is_disconnected() -> bool:
            return await self.marks("disconnected") == times

        await until(is_disconnected, timeout / 1000)

    async def session_cookies(self) -> list[Cookie]:
        """Return the cookies of a session: others tell of the browser, as its time zone."""
        return [cookie for cookie in await self.context.cookies() if "session" in cookie["name"]]

    async def marks(self, name: str) -> int:
        """Return how often the page was "connected", "disconnected", or "cut off" uncleanly."""
        marks: int = await self.page.evaluate(
            "name => performance.getEntriesByName(name, 'mark').length", name
        )
        return marks

    async def belongs_to(self, login: str) -> None:
        """Wait until the page is that of somebody."""
        menu = self.page.get_by_role("button", name=f"Menu of {login}", exact=True)
        await expect(menu).to_be_visible()

    @property
    def field(self) -> Locator:
        """Where messages are written."""
        return self.page.locator("#message")

    @property
    def log(self) -> Locator:
        """What has been said."""
        return self.page.locator("#subscribe")

    @property
    def status(self) -> Locator:
        """The line that tells of the connection, of who is typing, and who comes and goes."""
        return self.page.locator("#room-status")

    @property
    def error(self) -> Locator:
        """What the page complains about."""
        return self.page.locator("[role=alert]")

    @property
    def messages(self) -> Locator:
        """All messages of the log."""
        return self.log.locator(".message")

    @property
    def texts(self) -> Locator:
        """What the messages of the log say."""
        return self.log.locator(".message__text")

    @property
    def pending(self) -> Locator:
        """What is written and not yet acknowledged."""
        return self.log.locator(".pending")

    async def told(self, text: str, times: int = 1, timeout: float = PATIENCE) -> None:
        """Wait (ms) until the status line has shown a text, as many times."""

        async def is_told() -> bool:
            return len(await self.statuses(text)) == times

        await until(is_told, timeout / 1000)

    async def statuses(self, text: str = "") -> list[str]:
        """Return what the status line of this page has shown so far, of what contains a text."""
        shown: list[str] = await self.page.evaluate("window.statuses")
        return [status for status in shown if text in status]

    async def is_too_wide(self) -> bool:
        """Tell whether the page, or the log in it, would have to be scrolled sideways."""
        is_too_wide: bool = await self.page.evaluate(
            """[document.documentElement, ...document.querySelectorAll("#subscribe, .card")]
               .some(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)"""
        )
        return is_too_wide

    def _watch(self, page: Page) -> None:
        page.on("console", self._note_error)
        page.on("pageerror", lambda error: self._note(f"uncaught: {error}"))
        page.on("dialog", self._note_dialog)

    def _note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.text)

    async def _note_dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload" and self.leaves_anyway:
            await dialog.accept()
        else:
            self._note(f"dialog: {dialog.message}")
            await dialog.dismiss()

    def _note(self, problem: str) -> None:
        if not problem.startswith(self.tolerates or ("\0",)):
            self.problems.append(problem)


Visit = Callable[..., Awaitable[Visitor]]


@asynccontextmanager
async def visiting(browser: Browser) -> AsyncIterator[Visit]:
    """Let people come, signed in where a login is given; nothing may go wrong in their pages.

    A script runs in each of their pages before the page's own.
    """
    visitors: list[Visitor] = []

    async def come(url: str, login: str = "", script: str = "", **options: Any) -> Visitor:
        visitor = await Visitor.arrive(browser, url, **options)
        visitors.append(visitor)
        await visitor.context.add_init_script(script)
        if login:
            await visitor.sign_up(login)
        await visitor.open()
        if login and options.get("java_script_enabled", True):
            await visitor.connected()
        return visitor

    try:
        yield come
    finally:
        for visitor in visitors:
            await visitor.context.close()
    problems = [visitor.problems for visitor in visitors]
    assert not any(problems), problems


async def arrive_noting(
    chat: ChatSite, visit: Visit, login: str, kind: str
) -> tuple[Visitor, list[dict[str, Any]]]:
    """Let somebody come, and note what frames of a kind their page sends, as it sends them."""
    visitor = await visit(chat.url)
    sent: list[dict[str, Any]] = []

    def note(data: str | bytes) -> None:
        frame = json.loads(data)
        if frame["type"] == kind:
            sent.append(frame)

    visitor.page.on("websocket", lambda socket: socket.on("framesent", note))
    await visitor.sign_up(login)
    await visitor.open()
    await visitor.connected()
    return visitor, sent


async def go_offline(chat: ChatSite, *tabs: Visitor) -> None:
    """Take the network from a browser, with all its tabs."""
    for tab in tabs:
        tab.tolerates = CONNECTION_LOST
    await tabs[0].context.set_offline(True)
    login = await tabs[0].log.get_attribute("data-user")
    assert login
    for client in clients_of(chat.app, login):
        client.abort()  # being offline does not close a socket that is open
    for tab in tabs:
        await tab.disconnected()


async def all_show(visitors: Iterable[Visitor], *texts: str, timeout: float = PATIENCE) -> None:
    """Wait (ms) until each of the pages shows exactly these messages."""
    for visitor in visitors:
        await expect(visitor.texts).to_have_text(texts, timeout=timeout)


async def assert_thumb_sized(control: Locator) -> None:
    """Assert that a thumb can hit something."""
    box = await control.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44  # CSS pixels
