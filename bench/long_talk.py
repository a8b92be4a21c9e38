"""What years of talk cost in the browser: memory, work as messages come, and the wait of a key."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, CDPSession

from tests.support.accounts import signed_in
from tests.support.browser import Visitor, chromium, visiting
from tests.support.long_log import fill
from tests.support.processes import NO_LIMITS, running_chat

LENGTH = 6_000  # messages in the room
SCROLLED = (50, 1_000, 2_500, 5_000)  # messages back from the newest
PER_SECOND = 20  # messages that come
SECONDS = 10
AT_ONCE = 1_000  # messages
KEYS = 100

SCROLL = """async (seq) => {
  const log = document.getElementById("subscribe")
  const first = () => Number(log.querySelector(".message").dataset.seq)
  while (first() > seq) {
    const before = first()
    log.scrollTop = 0
    while (first() === before) await new Promise(requestAnimationFrame)
  }
}"""

# A page that does nothing but show a line more, to see what the browser itself takes.
BARE = """
<div style="height: 90vh; overflow: auto"></div><textarea></textarea><script>
const [log] = document.getElementsByTagName("div")
const add = () => {
  log.append(Object.assign(document.createElement("p"), { textContent: "something to say" }))
}
for (let row = 0; row < 1000; row++) add()
log.scrollTop = log.scrollHeight
setInterval(() => { add(); log.scrollTop = log.scrollHeight }, 1000 / %d)
</script>"""

NOTE_FRAMES = """() => {
  let last = performance.now()
  window.frames = []
  requestAnimationFrame(function note(now) {
    frames.push(now - last)
    last = now
    requestAnimationFrame(note)
  })
}"""

NOTE_KEYS = """() => {
  window.longest = 0
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration)
  }).observe({ type: "event", durationThreshold: 16 })
}"""


async def measure() -> list[str]:
    """Return the lines of the three tables."""
    async with (
        running_chat(MONGO_HOST="", **NO_LIMITS) as chat,
        signed_in(chat.url, "bob") as bob,
        chromium() as browser,
        visiting(browser) as visit,
    ):
        await bob.post("/", data={"msg": "the first message"})
        await chat.terminate()
        fill(Path(chat.environment["DATA_DIR"]) / "chat.db", LENGTH)
        await chat.start()
        lines = ["| scrolled back | rows | nodes | laid out | memory |", "|---|---|---|---|---|"]
        alice = await visit(chat.url, "alice")
        await alice.page.goto(f"{chat.url}/?newest=")
        for back in SCROLLED:
            lines.append(f"| {back:,} | {await memory(browser, alice, back)} |")
        lines += ["", "| 20 messages a second | busy | frames, p95 |", "|---|---|---|"]
        bare = await visit("about:blank")
        await bare.page.set_content(BARE % PER_SECOND)
        of_bare, frames = await work(bare, asyncio.sleep(SECONDS))
        lines.append(f"| a bare page of 1,000 lines | {of_bare:.1%} | {frames:.0f} ms |")
        await bare.page.close()
        for rows in (50, 1_000):
            alice = await visit(chat.url, f"alice{rows}")
            await alice.page.goto(f"{chat.url}/?newest=")
            await post_at_once(bob, rows - 50)
            share, frames = await work(alice, talk(bob))
            ratio = f"{share:.1%} ({share / of_bare:.1f} × the bare page's)"
            lines.append(f"| the chat with {rows:,} messages | {ratio} | {frames:.0f} ms |")
        lines += ["", "| longest wait of a key | |", "|---|---|"]
        await alice.page.evaluate(SCROLL, LENGTH - 2_500)
        lines.append(f"| after 2,500 messages were loaded | {await wait(alice, KEYS)} |")
        posting = asyncio.create_task(post_at_once(bob, AT_ONCE))
        lines.append(f"| while {AT_ONCE:,} come at once | {await wait(alice, KEYS)} |")
        await posting
    return lines


async def memory(browser: Browser, visitor: Visitor, back: int) -> str:
    """Return what the page has and takes once somebody has scrolled back so far."""
    await visitor.page.evaluate(SCROLL, LENGTH - back)
    session = await visitor.context.new_cdp_session(visitor.page)
    await session.send("HeapProfiler.collectGarbage")
    await session.send("Performance.enable")
    counts = await metrics(session)
    whole = await browser.new_browser_cdp_session()
    info = (await whole.send("SystemInfo.getProcessInfo"))["processInfo"]
    largest = max(proportional(each["id"]) for each in info if each["type"] == "renderer") / 1000
    rows = await visitor.log.locator(".message, .day, .log__new").count()
    nodes, laid_out = counts["Nodes"], counts["LayoutObjects"]
    return f"{rows:,} | {nodes:,.0f} | {laid_out:,.0f} | {largest:.0f} MB"


def proportional(pid: int) -> int:
    """Return the memory of a process, in kB; what it shares with others counts in part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


async def work(visitor: Visitor, meanwhile: Any) -> tuple[float, float]:
    """Return the main thread's share of a core, and the length of a frame (ms, p95)."""
    session = await visitor.context.new_cdp_session(visitor.page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    await visitor.page.evaluate(NOTE_FRAMES)
    began, before = time.monotonic(), await metrics(session)
    await meanwhile
    after, seconds = await metrics(session), time.monotonic() - began
    frames = sorted(await visitor.page.evaluate("frames"))
    share = (after["TaskDuration"] - before["TaskDuration"]) / seconds
    return share, frames[int(len(frames) * 0.95)]


async def metrics(session: CDPSession) -> dict[str, float]:
    """Return what Chromium counts of a page."""
    found = await session.send("Performance.getMetrics")
    return {each["name"]: each["value"] for each in found["metrics"]}


async def talk(browser: aiohttp.ClientSession) -> None:
    """Say something twenty times a second."""
    began = time.monotonic()
    for number in range(SECONDS * PER_SECOND):
        await asyncio.sleep(began + number / PER_SECOND - time.monotonic())
        await browser.post("/", data={"msg": f"something to say, {number}: `code`"})


async def post_at_once(browser: aiohttp.ClientSession, count: int) -> None:
    """Say so many things as fast as the server takes them."""
    turns = asyncio.Semaphore(20)

    async def post(number: int) -> None:
        async with turns:
            await browser.post("/", data={"msg": f"one of many, {number}"}, allow_redirects=False)

    await asyncio.gather(*(post(number) for number in range(count)))


async def wait(visitor: Visitor, keys: int) -> str:
    """Return how long the slowest of some keys took until the page showed it."""
    await visitor.page.evaluate(NOTE_KEYS)
    await visitor.field.focus()
    for number in range(keys):
        await visitor.page.keyboard.press("hello @bo"[number % 9].replace(" ", "Space"))
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)  # the browser tells of them later
    return f"{await visitor.page.evaluate('longest'):.0f} ms"


if __name__ == "__main__":
    print("\n".join(asyncio.run(measure())))
