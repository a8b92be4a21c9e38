"""Marks that are stacked on a letter, as messages of earlier versions have them, cover no line."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Locator, expect

from chat.journal import JOURNAL
from settings import MESSAGE_COLLECTION
from tests.support.browser import Visit, Visitor
from tests.support.site import ChatSite
from tests.support.waiting import until

ABOVE, BELOW = "\u0301", "\u0323"
TOWER = f"Z{40 * ABOVE} Z{40 * BELOW}"  # which reaches six lines up and five down
# Chromium draws round corners with other shades, too faint to see, if it draws only a part again.
SQUARE = """
const sheet = new CSSStyleSheet()
sheet.replaceSync("*, ::before { border-radius: 0 !important }")
document.adoptedStyleSheets = [sheet]
"""
DESK, PHONE = {"width": 1200, "height": 700}, {"width": 360, "height": 640}


async def store(chat: ChatSite, *texts: str, authors: str = "cbcbcb") -> None:
    """Store messages as earlier versions did, a minute apart."""
    start = datetime.now(UTC) - timedelta(hours=2)
    await chat.database[MESSAGE_COLLECTION].insert_many(
        [
            {
                "seq": seq,
                "message_seq": seq,
                "key": f"{authors[seq - 1]}:{seq}",
                "user": authors[seq - 1],
                "user_id": authors[seq - 1],
                "msg": text,
                "time": start + timedelta(minutes=seq),
            }
            for seq, text in enumerate(texts, 1)
        ],
        ordered=True,
    )
    await until(lambda: chat.app[JOURNAL].recent.last == len(texts))


async def pictures(visitor: Visitor, *places: Locator) -> list[bytes]:
    """Return what is to be seen at some places."""
    found = []
    for place in places:
        box = await place.bounding_box()
        assert box is not None
        found.append(await visitor.page.screenshot(clip=box))
    return found


async def covers_nothing(visitor: Visitor, text: Locator, *others: Locator) -> None:
    """Check that the marks in a text change nothing of what else is to be seen."""
    with_marks = await pictures(visitor, *others)
    await text.evaluate("it => { it.textContent = it.textContent.replaceAll(/\\p{M}/gu, '') }")
    assert await pictures(visitor, *others) == with_marks


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("path", ["/", "/?before=100", "/search?q=word"])
async def test_marks_cover_no_other_message(
    chat: ChatSite, visit: Visit, size: dict[str, int], path: str
) -> None:
    await store(chat, "word above\nand a line", f"{TOWER} word {TOWER}", "word\nbelow")
    alice = await visit(chat.url, "alice", SQUARE, viewport=size)
    await alice.open(path)
    if path.startswith("/search"):
        below, tower, above = (alice.page.locator(".find").nth(place) for place in range(3))
        text = tower.locator(".find__text")
    else:
        above, tower, below = (alice.page.locator(f"#m{seq}") for seq in (1, 2, 3))
        text = tower.locator(".message__text")
    await expect(text).to_contain_text("\u0301")
    await covers_nothing(alice, text, above, below)


async def test_marks_cover_no_other_message_while_the_mouse_is_over_them_and_buttons_are_whole(
    chat: ChatSite, visit: Visit
) -> None:
    # A message without a name has them above its text, beside a name they are within the message.
    await store(chat, "above\nand a line", f"{TOWER} and {TOWER}", "below", authors="bbc")
    alice = await visit(chat.url, "alice", SQUARE, viewport=DESK, reduced_motion="reduce")
    tower = alice.page.locator("#m2")
    await tower.hover()
    buttons = tower.locator(".actions")
    await expect(buttons).to_be_visible()
    inside, message = await buttons.bounding_box(), await tower.bounding_box()
    assert inside is not None
    assert message is not None
    assert inside["y"] < message["y"] + 16  # beside the name
    assert inside["x"] > message["x"] + message["width"] - 16 * 16
    shown = await alice.page.evaluate(
        """([x, y]) => document.elementFromPoint(x, y).closest(".actions") !== null""",
        [inside["x"] + inside["width"] / 2, inside["y"] + 3],
    )
    assert shown
    author = alice.page.locator("#m1 .message__author")
    below = alice.page.locator("#m3")
    await covers_nothing(alice, tower.locator(".message__text"), author, below)


HIGH = [
    "ที่นี่ปู่กู้ฎู",  # Thai, with marks above and below
    "Ặ ỗ ữ ậ gjpqy Å",
    "རྒྱུ་སྐྱེས་བསྒྲུབས",  # Tibetan
    "نستعلیق ـِـٍـً عُـوِ ج",
    "😀👩‍💻 |_Ç",
    "ש\u05bc\u05c1\u05b8\u0591\u05bd",
]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_nothing_of_a_text_is_cut_off(
    chat: ChatSite, visit: Visit, size: dict[str, int]
) -> None:
    await store(chat, *HIGH)
    alice = await visit(chat.url, "alice", SQUARE, viewport=size)
    await expect(alice.messages).to_have_count(len(HIGH))
    whole = await pictures(alice, alice.log)
    await alice.messages.evaluate_all("all => all.forEach(it => { it.style.overflow = 'visible' })")
    assert await pictures(alice, alice.log) == whole
