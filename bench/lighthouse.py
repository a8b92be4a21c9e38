"""`make lighthouse`: Lighthouse's marks, and what one message more costs (needs Node.js)."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.async_api import expect
from yarl import URL

from tests.support.accounts import signed_in
from tests.support.browser import chromium, visiting
from tests.support.processes import running_chat

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


async def marks(url: str, cookie: str = "") -> dict[str, int]:
    """Return the marks of a page, 100 at most; print what costs any."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        process = await asyncio.create_subprocess_exec(
            "npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json", f"--output-path={report}",
            f"--only-categories={','.join(CATEGORIES)}",
            f"--extra-headers={json.dumps({'Cookie': cookie} if cookie else {})}",
            "--chrome-flags=--headless=new --no-sandbox --disable-background-networking",
            env={**os.environ, "CHROME_PATH": shutil.which("chromium") or ""},
        )  # fmt: skip
        assert await process.wait() == 0
        result = json.loads(report.read_text())
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
    async with running_chat(MESSAGES_PER_SECOND=0) as chat, signed_in(chat.url, "alice") as alice:
        for number in range(MESSAGES):
            await alice.post(chat.url, data={"msg": f"Message {number} of a talk"})
        jar = alice.cookie_jar.filter_cookies(URL(chat.url))
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())
        found = {
            "/login": await marks(f"{chat.url}/login"),
            "/": await marks(f"{chat.url}/", cookie),
        }
        cost = await cost_of_a_message(chat.url)
    print(f"one message more at a thousand: {cost:.1f} ms")
    for page, values in found.items():
        print(page, values)
    if any(value < 100 for values in found.values() for value in values.values()):
        sys.exit(1)


asyncio.run(main())
