"""How long the chat page takes on a slow network, on a phone that is four times as slow."""

from statistics import median
from typing import NamedTuple

from playwright.async_api import Browser, BrowserContext

from tests.support.browser import Visitor, chromium
from tests.support.processes import running_chat

NETWORKS = {"400 ms, 400 kbit/s": (400, 50_000), "Slow 3G": (2_000, 50_000)}  # ms, bytes a second
PROCESSOR = 4  # times as slow
MESSAGES = 50
PATIENCE = 90_000  # ms
TEXT = "Message {} of a talk, with `code`, **emphasis** and a link, https://example.com/a/page"

# The messages are in sight; they are formatted; the socket is open. And what has moved by itself.
OBSERVE = """
window.marks = { shift: 0 }
const look = () => {
  const now = performance.now()
  const message = document.querySelector(".message")
  if (message?.checkVisibility({ visibilityProperty: true })) marks.readable ??= now
  if (document.querySelector(".log--formatted")) marks.formatted ??= now
  if (performance.getEntriesByName("connected").length) marks.connected ??= now
  if (!marks.connected) requestAnimationFrame(look)
}
requestAnimationFrame(look)
new PerformanceObserver((list) => {
  for (const { value } of list.getEntries()) marks.shift += value
}).observe({ type: "layout-shift", buffered: true })
"""


class Load(NamedTuple):
    """One load of the page."""

    readable: float  # milliseconds
    formatted: float
    connected: float
    shift: float
    requests: int
    size: int  # bytes, compressed, with the headers of the answers


Rows = dict[tuple[str, str], list[Load]]  # by network, and "cold" or "warm"


async def measure(rounds: int) -> Rows:
    """Load the page with nothing in the browser's cache, and again, on each network."""
    rows: Rows = {}
    async with running_chat(MESSAGES_PER_SECOND=0) as chat, chromium() as browser:
        visitor = await Visitor.arrive(browser, chat.url)
        await visitor.sign_up("alice")
        await visitor.post(*(TEXT.format(number) for number in range(MESSAGES)))
        for _ in range(rounds):
            for network in NETWORKS:
                phone = await _phone(browser, visitor)
                for kind in ("cold", "warm"):
                    rows.setdefault((network, kind), []).append(
                        await _load(phone, chat.url, network)
                    )
                await phone.close()
    return rows


def table(rows: Rows) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| | readable | formatted | connected | requests | compressed | layout shift |",
        "|---|---|---|---|---|---|---|",
    ]
    for (network, kind), loads in rows.items():
        middle = Load(*map(median, zip(*loads, strict=True)))
        times = " | ".join(f"{ms / 1000:.2f} s" for ms in middle[:3])
        lines.append(
            f"| {network}, {kind} | {times} | {middle.requests:.0f} | {middle.size / 1000:.1f} kB "
            f"| {middle.shift:.3f} |"
        )
    return lines


async def _phone(browser: Browser, visitor: Visitor) -> BrowserContext:
    """Return a browser of its own in which somebody is signed in, with an empty cache."""
    state = await visitor.context.storage_state()
    phone = await browser.new_context(storage_state=state, viewport={"width": 390, "height": 760})
    await phone.add_init_script(OBSERVE)
    return phone


async def _load(phone: BrowserContext, url: str, network: str) -> Load:
    page = await phone.new_page()
    session = await phone.new_cdp_session(page)
    latency, rate = NETWORKS[network]
    conditions = {"offline": False, "latency": latency}
    conditions |= {"downloadThroughput": rate, "uploadThroughput": rate}
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", conditions)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": PROCESSOR})
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    await page.goto(url, wait_until="commit", timeout=PATIENCE)
    await page.wait_for_function("() => window.marks?.connected", timeout=PATIENCE)
    marks = await page.evaluate("marks")
    await page.close()
    return Load(**marks, requests=len(sizes), size=sum(sizes))
