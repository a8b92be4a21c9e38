"""Every page for everyone: in either colour scheme, on desk or phone, whatever the font."""

import io
import re
from dataclasses import replace
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Browser, FilePayload, expect

from chat import wire
from chat.hub import HUB
from settings import Settings
from tests.support.browser import LARGE_FONT, REFUSED, Visit, Visitor, visiting
from tests.support.people import PASSWORD
from tests.support.site import ChatSite, serving

LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light", "width": 1200},
    {"color_scheme": "dark", "width": 1200},
    {"color_scheme": "light", "width": 360},
    {"color_scheme": "dark", "width": 320},
    {"color_scheme": "dark", "width": 360, "forced_colors": "active"},
]
PHONES = [{"color_scheme": scheme, "width": 390} for scheme in ("light", "dark")]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(visitor: Visitor, looks: list[dict[str, Any]] = LOOKS) -> list[str]:
    """Return what axe-core finds on the page in some looks."""
    found = []
    for look in looks:
        forced = look.get("forced_colors", "none")
        await visitor.page.emulate_media(
            color_scheme=look["color_scheme"],
            forced_colors=forced,
            reduced_motion="reduce",  # or axe would judge a colour that fades in
        )
        await visitor.page.set_viewport_size({"width": look["width"], "height": 700})
        # axe reads -webkit-text-fill-color, which is not the colour that is forced.
        rules = {"color-contrast": {"enabled": forced == "none"}}
        results = await Axe().run(visitor.page, options={"runOnly": TAGS, "rules": rules})
        found += [
            f"{look}: {violation['id']}: {node['html']} {node['failureSummary']}"
            for violation in results.response["violations"]
            for node in violation["nodes"]
        ]
    return found


async def accessible(visitor: Visitor, inside: str) -> list[str]:
    """Return what a screen reader gets of the part of the page with this role, in its order.

    Texts are as they are, and everything else is `role: name`.
    """
    session = await visitor.context.new_cdp_session(visitor.page)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    by_id = {node["nodeId"]: node for node in nodes}

    def told(node: dict[str, Any]) -> list[str]:
        role, name = node["role"]["value"], node.get("name", {}).get("value", "").strip()
        below = [by_id[child] for child in node.get("childIds", []) if child in by_id]
        texts = [text for child in below for text in told(child)]
        if node["ignored"] or role in ("generic", "InlineTextBox"):
            return texts
        if role == "StaticText":
            return [name]
        return [f"{role}: {name}", *texts]

    [part] = [node for node in nodes if not node["ignored"] and node["role"]["value"] == inside]
    return told(part)


SIGNED = """> quoted **in bold** and `code`
**bold _slanted_** *italic* `x = [1]` (in brackets) [too]
```js
let a = 1
```"""


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("locale", ["en-GB", "en-US", "ar-EG"])
async def test_screen_readers_get_articles_below_days_and_no_hidden_signs(
    chat: ChatSite, visit: Visit, bob: Visitor, scripts: bool, locale: str
) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=scripts, locale=locale)
    await bob.post(SIGNED, "plain")
    await alice.open()
    if scripts:
        await alice.connected()
        await bob.post("over the socket (1) [2]")
    else:
        await bob.post("over the socket (1) [2]")
        await alice.open()
    await expect(alice.texts).to_have_count(3)
    told = await accessible(alice, "log")
    articles = await alice.log.locator("article").evaluate_all(
        "all => all.map((article) => `article: ${article.ariaLabel}`)"
    )
    assert all(article.startswith("article: bob, ") for article in articles)
    assert [item for item in told if item.startswith("article")] == articles
    days = [item for item in told if item.startswith("heading")]
    assert len(days) == 1
    assert told.index(days[0]) < told.index(articles[0])
    assert "blockquote: " in told
    signs = {"[", "]", "(", ")"} | ({"**", "*", "_", "`", "```", ">"} if scripts else set())
    assert not signs & set(told)
    assert "over the socket (1) [2]" in told
    # A copy has the signs all the same.
    await alice.log.evaluate("log => getSelection().selectAllChildren(log)")
    copy = await alice.page.evaluate("String(getSelection())")
    for part in ("(bob)", "**bold _slanted_** *italic* `x = [1]`", "> quoted"):
        assert part in copy


@pytest.mark.parametrize("path", ["/login", "/signin"])
async def test_the_forms_are_for_everyone_with_an_error_too(
    chat: ChatSite, visit: Visit, path: str
) -> None:
    visitor = await visit(chat.url)
    visitor.tolerates = REFUSED
    await visitor.open(path)
    assert await violations(visitor) == []
    await visitor.submit()
    await expect(visitor.error).to_have_text("Please fill all fields")
    assert await violations(visitor) == []


@pytest.mark.parametrize("is_for_reader", [True, False])
async def test_quotes_replies_and_what_is_explained_are_for_everyone(
    chat: ChatSite, visit: Visit, bob: Visitor, is_for_reader: bool
) -> None:
    alice = await visit(chat.url, "alice")
    for number, author in enumerate("abcdefgh", 1):  # one for each colour of names
        await bob.post(f"> {author} #{number}: hi\n{'@alice' if is_for_reader else 'you'}")
    await expect(alice.messages).to_have_count(8)
    await alice.act(alice.messages.last, "Reply")
    assert await violations(alice, LOOKS) == []
    await alice.page.get_by_role("button", name="Formatting help").click()
    assert await violations(alice, LOOKS) == []
    assert not await alice.is_too_wide()


@pytest.mark.parametrize(
    ("script", "looks"), [("", LOOKS), (LARGE_FONT, PHONES)], ids=["usual", "large text"]
)
async def test_every_page_of_the_chat_is_for_everyone(
    chat: ChatSite, visit: Visit, bob: Visitor, script: str, looks: list[dict[str, Any]]
) -> None:
    alice = await visit(chat.url, "alice", script)
    alice.tolerates = REFUSED  # a page that is not there
    for number in range(60):
        await (alice, bob)[number % 2].post(
            f"message {number} for @alice, `code` https://a.example"
        )
    await expect(alice.texts.last).to_contain_text("message 59")
    await alice.say("x" * (Settings.MESSAGE_LENGTH + 1))
    await expect(alice.error).not_to_have_text("")
    assert await violations(alice, looks) == []
    await alice.menu()
    assert await violations(alice, looks) == []
    for path in (
        "/?before=40",
        "/search?q=message",
        "/account",
        "/people",
        "/message/60",
        "/nothing-here",
    ):
        await alice.open(path)
        await expect(alice.page.locator("h1")).to_have_text(re.compile("."))
        assert await violations(alice, looks) == [], path
        assert not await alice.is_too_wide(), path


@pytest.mark.parametrize("width", [1200, 360])
async def test_what_opens_in_the_chat_is_for_everyone_too(
    chat: ChatSite, visit: Visit, bob: Visitor, width: int
) -> None:
    alice = await visit(chat.url, "alice")
    await bob.post("> @alice said\nsomething with ``` code ```", "and more")
    await expect(alice.texts.last).to_have_text("and more")
    looks = [look for look in LOOKS if (look["width"] > 1000) == (width > 1000)]
    await alice.page.set_viewport_size({"width": width, "height": 700})
    openers = [".bar__me"] + (["#people-count"] if width < 1000 else [])
    for opener in openers:
        await alice.page.locator(opener).click()
        await expect(alice.page.locator(":popover-open")).to_be_visible()
        assert await violations(alice, looks) == [], opener
        await alice.page.keyboard.press("Escape")
    await alice.messages.last.hover()
    await expect(alice.page.locator(".actions")).to_be_visible()
    assert await violations(alice, looks) == []
    await alice.field.fill("@b")
    await expect(alice.page.get_by_role("option")).to_have_count(1)
    assert await violations(alice, looks) == []


async def test_files_are_for_everyone(chat: ChatSite, visit: Visit, bob: Visitor) -> None:
    alice = await visit(chat.url, "alice")
    content = io.BytesIO()
    Image.new("RGB", (300, 200), "#eee").save(content, "PNG")
    some = [
        FilePayload(name="W" * 60 + ".png", mimeType="image/png", buffer=content.getvalue()),
        FilePayload(name="W" * 60 + ".txt", mimeType="text/plain", buffer=b"W" * 300),
        FilePayload(name="صوت.ogg", mimeType="audio/ogg", buffer=b"OggS" + bytes(100)),
        FilePayload(name="b.pdf", mimeType="application/pdf", buffer=b"%PDF-1.4"),
    ]
    chooser = alice.page.locator("#composer [type=file]")
    await chooser.set_input_files(some)
    await alice.press("Send")
    await expect(alice.messages).to_have_count(4)
    await alice.page.route("**/file?*", lambda route: None)  # it has no answer
    await chooser.set_input_files(some)
    await alice.press("Send")
    await expect(alice.pending).to_have_count(4)
    await chooser.set_input_files([*some, FilePayload(name="empty", mimeType="", buffer=b"")])
    await expect(alice.error).to_have_text("“empty” is empty.")
    assert await violations(alice) == []
    for width in (1200, 320, 195):
        await alice.page.set_viewport_size({"width": width, "height": 700})
        assert await alice.page.evaluate(MISFITS) == []
        assert not await alice.is_too_wide()
        await expect(alice.page.locator("#submit")).to_be_in_viewport(ratio=1)
    await alice.page.locator(".file__picture").press("Enter")
    await expect(alice.page.get_by_role("dialog")).to_be_visible()
    assert await violations(alice) == []
    await alice.page.keyboard.press("Escape")
    alice.tolerates = ("dialog",)  # those files are not sent


# The longest time that something takes to appear or to change, in seconds.
LONGEST_MOTION = """() => Math.max(
  ...[...document.querySelectorAll("*")].map(getComputedStyle).flatMap((style) => [
    style.animationName === "none" ? 0 : parseFloat(style.animationDuration),
    ...style.transitionDuration.split(", ").map(parseFloat),
  ])
)"""


@pytest.mark.parametrize(("motion", "longest"), [("no-preference", 0.15), ("reduce", 0)])
async def test_motion_is_short_or_there_is_none(
    chat: ChatSite,
    visit: Visit,
    bob: Visitor,
    motion: Literal["no-preference", "reduce"],
    longest: float,
) -> None:
    alice = await visit(chat.url, "alice", reduced_motion=motion)
    await bob.post("hello")
    await alice.messages.last.hover()
    await expect(alice.page.locator(".actions")).to_be_visible()
    await alice.menu()
    assert longest * 0.8 <= await alice.page.evaluate(LONGEST_MOTION) <= longest
    for path in ("/account", "/search", "/people"):
        await alice.open(path)
        assert await alice.page.evaluate(LONGEST_MOTION) <= longest, path


# Wider than any font a reader may have: letters of a monospace one are 0.6 em wide in all of them.
WIDE_FONT = """
const sheet = new CSSStyleSheet()
sheet.replaceSync(
  "* { font-family: monospace, monospace !important; letter-spacing: 0.1em !important }")
document.adoptedStyleSheets = [sheet]
"""

# What is to be scrolled sideways, and controls that are cut off or lie over one another.
MISFITS = """() => {
  const { clientWidth } = document.documentElement
  const isSeen = (it) => it.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  const name = ({ localName, className, id }) => `${localName}#${id}.${className}`
  const boxes = Array.from(document.querySelectorAll("html, body, body *:not(.visually-hidden)"))
    .filter((it) => isSeen(it) && getComputedStyle(it).clipPath === "none")
    // These may show a part.
    .filter((it) => !it.matches("input, svg *, .bar__title, .code--block, .tray__name"))
  const controls = Array.from(document.querySelectorAll("a, button, input, textarea"))
    .filter((it) => isSeen(it) && !it.closest(".bar__title") && it.type !== "hidden")
    .map((it) => [it, it.getBoundingClientRect()])
  // What sticks, scrolls, or covers the page.
  const layer = (it) => it.closest(".day, #subscribe, .tray, :popover-open")
  const cover = (p, q) =>
    Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
    Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1
  // Line by line: a link in a text may go on in the next one.
  const lines = (it) => [...it.getClientRects()]
  const isOver = ([a, p], [b, q]) => layer(a) === layer(b) && cover(p, q) &&
    lines(a).some((p) => lines(b).some((q) => cover(p, q)))
  return [
    ...boxes
      .filter((it) => it.clientWidth && it.scrollWidth > it.clientWidth)
      .map((it) => `${name(it)} is ${it.scrollWidth - it.clientWidth} px too wide`),
    ...controls
      .filter(([, { left, right }]) => left < 0 || right > clientWidth)
      .map(([it, { left, right }]) => `${name(it)} stands at ${left} to ${right}`),
    ...controls.flatMap((a, index) =>
      controls.slice(index + 1).filter((b) => isOver(a, b))
        .map((b) => `${name(a[0])} and ${name(b[0])} overlap`)),
  ]
}"""


@pytest.mark.parametrize(
    ("width", "font"),
    [
        *((width, WIDE_FONT) for width in (320, 360, 390, 1200)),
        *((width, "") for width in (195, 320, 1000)),  # 195: 390 at 200 %
        (390, LARGE_FONT),
    ],
    ids=lambda value: {WIDE_FONT: "wide", LARGE_FONT: "large", "": "own"}.get(value),
)
async def test_every_page_fits_the_window_however_wide_the_font(
    settings: Settings, browser: Browser, width: int, font: str
) -> None:
    mod, bob = "W" * 32, "B" * 32
    crowd = wire.people(1234, [mod, bob])
    async with (
        serving(replace(settings, MODERATORS=(mod,))) as chat,
        visiting(browser) as visit,
    ):
        visitor = await visit(chat.url, viewport={"width": width, "height": 740})
        visitor.tolerates = REFUSED
        page, button = visitor.page, visitor.page.get_by_role("button")
        await visitor.context.add_init_script(font)
        found: dict[str, list[str]] = {}

        async def look(what: str) -> None:
            await page.wait_for_load_state()  # with its style sheets
            misfits = await page.evaluate(MISFITS)
            if misfits or await visitor.is_too_wide():
                found[what] = misfits

        for path in ("/login", "/signin", "/nothing-here"):
            await visitor.open(path)
            await look(path)
        await visitor.open("/signin")
        await visitor.fill(login="x" * 100, email="x", password=PASSWORD)
        await visitor.submit()
        await expect(visitor.error).to_contain_text("A login has")
        await look("/signin with an error")

        other = await visit(chat.url, bob)
        await other.post(
            "W" * 500,
            "a word " * 60,
            "\n".join("line" * 20 for _ in range(5)),
            "https://" * 9,
            f"https://{'w' * 90} `{'c' * 80}` @{mod}\n```python\n{'x' * 90}\n```",
        )
        await visitor.sign_up(mod)
        await visitor.post("W" * 500)
        searches = [f"/search?q={query}" for query in ("word", "https", "*")]
        people = ("/people", f"/person?login={bob}", f"/person?login={mod}")
        for path in ("/?before=3", "/?around=2", *searches, "/message/1", *people):
            await visitor.open(path)
            await look(path)
        for path, fields, name, error in (
            ("/account", {"confirm": PASSWORD}, "Delete account", "can't be deleted"),
            (
                "/account",
                {"old": "wrong", "password": PASSWORD},
                "Change password",
                "Wrong password",
            ),
            ("/message/6", {"message": "\u200b"}, "Save", "Please write something"),
        ):
            await visitor.open(path)
            await look(path)
            await visitor.fill(**fields)
            await button.and_(page.get_by_text(name, exact=True)).click()
            await expect(visitor.error).to_contain_text(error)
            await look(f"{path} with an error")

        await visitor.open()
        await visitor.connected()
        chat.app[HUB].broadcast(crowd)
        await expect(page.locator("#people-count")).to_have_text("1234 here")
        await look("the chat")
        await visitor.say("x" * (Settings.MESSAGE_LENGTH + 1))
        await expect(visitor.error).to_contain_text("A message has")
        await look("the chat with an error")
        await visitor.field.fill("")
        await visitor.field.press("ArrowUp")
        await page.get_by_role("button", name="Delete").click()
        await look("the chat with a message that is edited")
        await visitor.field.press("Escape")
        await visitor.field.fill("@B")
        await expect(page.get_by_role("option")).to_have_text([bob])
        await look("the chat with a list of names")
        await visitor.say("W" * 90 + "\a" * 30_000)  # bells do not count, but take up bytes
        await expect(visitor.pending).to_contain_text("not sent")
        await look("the chat with a message that was refused")
        await expect(page.locator("#submit")).to_be_in_viewport(ratio=1)
        menu = await visitor.menu()
        await look("the chat with its menu")
        for item in await menu.locator("a, input, button").all():
            await item.scroll_into_view_if_needed()
            await expect(item).to_be_in_viewport(ratio=1)
        await page.keyboard.press("Escape")
        if width < 1024:
            await page.locator("#people-count").click()
            await expect(page.locator("#here")).to_be_visible()
            await look("the chat with the list of people")
        assert found == {}
