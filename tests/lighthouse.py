"""`make lighthouse`: Lighthouse's marks for the log-in page and the chat page (needs Node.js)."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from yarl import URL

from tests.history import signed_in
from tests.process import running_chat

LIGHTHOUSE = "lighthouse@12.8.2"
CATEGORIES = ("performance", "accessibility", "best-practices")
MESSAGES = 50  # in the chat page


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
    for page, values in found.items():
        print(page, values)
    if any(value < 100 for values in found.values() for value in values.values()):
        sys.exit(1)


asyncio.run(main())
