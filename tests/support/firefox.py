"""Firefox, told what to do over its own interface: WebDriver BiDi (https://w3c.github.io/webdriver-bidi/)."""

import asyncio
import base64
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from server.background import background
from tests.support.waiting import START_PATIENCE, until

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
QUIET = {  # settings that keep it from asking the internet for anything
    "app.normandy.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
}
KEYS = {
    "Backspace": "\ue003",
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Control": "\ue009",
    "Escape": "\ue00c",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowUp": "\ue013",
}


class Firefox:
    """A browser that runs, and the connection to it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.problems: list[str] = []  # errors in the consoles of all pages
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Take what the browser tells, until it ends."""
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] == "log.entryAdded" and told["params"]["level"] == "error":
                self.problems.append(told["params"]["text"])

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result. Raises LookupError if the browser refuses it."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        told = await answer
        if told["type"] == "error":
            raise LookupError(told["message"])
        result: dict[str, Any] = told["result"]
        return result

    async def visit(self, url: str) -> "Page":
        """Open a page as somebody with no cookies yet."""
        user = await self.ask("browser.createUserContext")
        context = await self.ask("browsingContext.create", type="window", **user)
        page = Page(self, context["context"], url)
        await page.open("/")
        return page


class Page:
    """One page of the chat."""

    def __init__(self, firefox: Firefox, context: str, url: str) -> None:
        self._firefox = firefox
        self._context = context
        self._url = url

    async def open(self, path: str) -> None:
        """Go to a page of the chat."""
        place = {"context": self._context, "url": self._url + path, "wait": "complete"}
        await self._firefox.ask("browsingContext.navigate", **place)

    async def sees(self, expression: str) -> None:
        """Wait until an expression in JavaScript is true, also over a change of the page."""

        async def is_true() -> bool:
            try:
                return await self.evaluate(expression) is True
            except LookupError:  # just now there is no page
                return False

        await until(is_true)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, None for what is no simple value."""
        found = await self._firefox.ask(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
        )
        return found.get("result", {}).get("value")

    async def print_out(self) -> bytes:
        """Return the page as it would be printed, as a PDF."""
        printed = await self._firefox.ask("browsingContext.print", context=self._context)
        return base64.b64decode(printed["data"])

    async def fill(self, **values: str) -> None:
        """Type into the fields of a form, by their names."""
        for name, value in values.items():
            await self.evaluate(f"document.querySelector('[name={name}]').focus()")
            await self.press(*value)

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other: characters, or those of KEYS."""
        await self._strike([(key, kind) for key in keys for kind in ("keyDown", "keyUp")])

    async def press_together(self, *keys: str) -> None:
        """Press keys at once, such as Control and a character."""
        await self._strike([(key, kind) for kind in ("keyDown", "keyUp") for key in keys])

    async def _strike(self, strokes: list[tuple[str, str]]) -> None:
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key, kind in strokes]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        await self._firefox.ask("input.performActions", context=self._context, actions=[keyboard])


def write_settings(profile: str) -> None:
    """Write the settings with which Firefox starts."""
    lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in QUIET.items()]
    Path(profile, "user.js").write_text("\n".join(lines))


@asynccontextmanager
async def firefox() -> AsyncIterator[Firefox]:
    """Run Firefox without a window."""
    assert FIREFOX is not None
    with tempfile.TemporaryDirectory(prefix="chat", ignore_cleanup_errors=True) as profile:
        write_settings(profile)
        process = await asyncio.create_subprocess_exec(
            *(FIREFOX, "--headless", "--no-remote", "--profile", profile),
            "--remote-debugging-port=0",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            async with asyncio.timeout(START_PATIENCE):
                while not (found := re.search(rb"ws://\S+", await process.stderr.readline())):
                    assert not process.stderr.at_eof(), "Firefox has ended"
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(f"{found[0].decode()}/session", max_msg_size=0) as socket,
                background((browser := Firefox(socket)).listen()),
            ):
                await browser.ask("session.new", capabilities={})
                await browser.ask("session.subscribe", events=["log.entryAdded"])
                yield browser
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
