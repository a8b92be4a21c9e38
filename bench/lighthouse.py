"""`make lighthouse`: Lighthouse's marks, and what one message more costs (needs Node.js)."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from playwright.async_api import async_playwright, expect

from tests.support.browser import ARGUMENTS, Visitor, chromium, executable, visiting
from tests.support.processes import free_port, running_chat

LIGHTHOUSE = "lighthouse@12.8.2"
CATEGORIES = ("performance", "accessibility", "best-practices")
MESSAGES = 50  # in the chat page

TIME_EVERY_SHOW = """async () => {
  const { src } = document.querySelector("script[type=module]")
  const { Log } = await import(new URL("log/log.js", src)) // the page's own
  const { show } = Log.prototype
  window.costs = []
  Log.prototype.show = function (entry) {
    const start = performance.now()
    const isNew = show.call(this, entry)
    window.costs.push(performance.now() - start)
    return isNew
  }
}"""


@asynccontextmanager
async def browser_of(url: str, login: str) -> AsyncIterator[int]:
    """Run a browser, signed in where a login is given, and yield the port that drives it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                folder,
                executable_path=executable(),
                args=[*ARGUMENTS, f"--remote-debugging-port={port}"],
            )
            visitor = Visitor(context, context.pages[0], url)
            if login:
                await visitor.sign_up(login)
                await visitor.post(*(f"Message {number} of a talk" for number in range(MESSAGES)))
            yield port
            await context.close()


async def marks(url: str, port: int) -> dict[str, int]:
    """Return the marks of a page in a browser, 100 at most; print what costs any."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        process = await asyncio.create_subprocess_exec(
            "npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json", f"--output-path={report}",
            f"--only-categories={','.join(CATEGORIES)}", f"--port={port}",
        )  # fmt: skip
        assert await process.wait() == 0
        result = json.loads(report.read_text())
    assert result["finalDisplayedUrl"] == url  # it was not redirected
    for audit in result["audits"].values():
        if audit["score"] is not None and audit["score"] < 0.9:
            print(f"  {audit['id']}: {audit.get('displayValue', audit['title'])}")
    return {name: round(result["categories"][name]["score"] * 100) for name in CATEGORIES}


async def cost_of_a_message(url: str) -> float:
    """Return the milliseconds that scripts take to append one message to a thousand."""
    async with chromium() as browser, visiting(browser) as visit:
        alice = await visit(url, "bob")
        await alice.page.evaluate(TIME_EVERY_SHOW)
        for number in range(1100):
            await alice.post(f"Message {number} with a link, https://example.com, and `code`")
        await expect(alice.texts.last).to_contain_text("Message 1099")
        costs: list[float] = await alice.page.evaluate("costs.slice(1000)")
    return median(costs)


async def main() -> None:
    """Judge both pages; fail unless every mark is 100."""
    found: dict[str, dict[str, int]] = {}
    async with running_chat(MESSAGES_PER_SECOND=0) as chat:
        for path, login in (("/login", ""), ("/", "alice")):
            async with browser_of(chat.url, login) as port:
                found[path] = await marks(chat.url + path, port)
    # Only with DEBUG a page has its modules one by one.
    async with running_chat(MESSAGES_PER_SECOND=0, DEBUG="true") as chat:
        cost = await cost_of_a_message(chat.url)
    print(f"one message more at a thousand: {cost:.1f} ms")
    for page, values in found.items():
        print(page, values)
    if any(value < 100 for values in found.values() for value in values.values()):
        sys.exit(1)


asyncio.run(main())
