"""The clipboard in Chromium: what is copied of the log is what was said."""

import re

import pytest
from playwright.async_api import Locator

from tests.support.browser import Visit, Visitor, all_show
from tests.support.site import ChatSite

# Select from an offset in one message's text to an offset in another's, and copy.
COPY = """([first, start, last, end]) => {
  const texts = document.querySelectorAll("#subscribe .message__text")
  const at = (node, offset) => {
    const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT)
    while (walker.nextNode() && walker.currentNode.length < offset)
      offset -= walker.currentNode.length
    return [walker.currentNode, offset]
  }
  getSelection().setBaseAndExtent(...at(texts[first], start), ...at(texts[last], end))
  const data = new DataTransfer()
  const event = new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true })
  texts[first].dispatchEvent(event)
  return [data.getData("text/plain"), data.getData("text/html")]
}"""


async def copied(visitor: Visitor, *place: int) -> tuple[str, str]:
    """Return what a selection puts on the clipboard, as text and as HTML."""
    text, html = await visitor.page.evaluate(COPY, list(place))
    return text, html


@pytest.mark.parametrize("path", ["/", "/?around=2"])
async def test_several_messages_are_copied_as_lines_without_buttons_or_hidden_signs(
    alice: Visitor, bob: Visitor, path: str
) -> None:
    await alice.say("one")
    await all_show((bob,), "one")
    await bob.post("**two** <b>", "three\n> four", "five")
    await all_show((alice,), "one", "**two** <b>", "three > four", "five")
    await alice.open(path)
    await alice.page.locator(".log--formatted").wait_for()
    await alice.messages.nth(1).hover()  # which has the buttons
    text, html = await copied(alice, 0, 0, 3, 2)
    assert re.sub(r"\[\d\d:\d\d\]", "[10:15]", text) == (
        "[10:15] alice: one\n[10:15] bob: **two** <b>\n[10:15] bob: three\n> four\n[10:15] bob: fi"
    )
    assert html.count("<p") == 4
    assert "&lt;b&gt;" in html
    assert (await copied(alice, 2, 2, 2, 5))[0] == "ree"
    assert (await copied(alice, 1, 0, 1, 7))[0] == "**two**"


async def test_ctrl_c_copies_code_quotes_and_links_as_they_were_typed(alice: Visitor) -> None:
    await alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    said = ("```js\nx = *a*\n```", "> > one\n> two\n\\*three\\*", "see <https://a.example>, `x`")
    await alice.say(*said)
    await all_show((alice,), *said)
    await alice.messages.nth(1).hover()  # which has the buttons
    await alice.log.press("Control+a")
    await alice.page.keyboard.press("Control+c")
    text = await alice.page.evaluate("navigator.clipboard.readText()")
    assert re.split(r"^\[\d\d:\d\d\] alice: ", text, flags=re.M)[1:] == [
        *(f"{line}\n" for line in said[:-1]),
        said[-1],
    ]


async def test_without_scripts_neither_links_nor_states_are_copied(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, "alice", java_script_enabled=False)
    await alice.post("one", "two")
    await alice.open()
    await alice.page.get_by_role("link", name="Change").first.click()
    await alice.page.get_by_role("textbox").fill("three")
    await alice.press("Save")
    text = await alice.page.evaluate(
        "getSelection().selectAllChildren(document.body) ?? String(getSelection())"
    )
    assert "three" in text
    assert "Change" not in text
    assert "edited" not in text


async def test_keys_copy_what_was_said_wherever_a_selection_begins(
    alice: Visitor, bob: Visitor
) -> None:
    async def pasted(keys: str = "Control+c") -> str:
        """Press keys that copy, paste into the field, and return what is in it, without times."""
        await alice.page.keyboard.press(keys)
        await alice.field.fill("")
        await alice.field.press("Control+v")
        text = await alice.field.input_value()
        await alice.field.fill("")
        return re.sub(r"^\[\d\d:\d\d\]", "[10:15]", text, flags=re.M)

    async def select(start: str, end: str) -> None:
        await alice.page.evaluate(
            """(selectors) => {
              const [start, end] = selectors.map((it) => document.querySelector(it))
              getSelection().setBaseAndExtent(start, 0, end, end.childNodes.length)
            }""",
            [start, end],
        )

    await bob.post("one two", "```js\nlet x = 1\n```", "a secret", "three\n\n> four 😀")
    await bob.context.request.post(f"{bob.url}/message/3", form={"action": "delete"})
    await alice.open()
    await alice.connected()
    everything = (
        "[10:15] bob: one two\n[10:15] bob: ```js\nlet x = 1\n```\n[10:15] bob: three\n\n> four 😀"
    )
    await alice.log.focus()
    await alice.page.keyboard.press("Control+a")
    assert await pasted() == everything
    await select(".bar__title", "#m4")  # a mouse that was pressed in the header
    assert await pasted() == everything
    await select(".day", "#m1 .message__text")
    assert await pasted() == "one two"
    await alice.texts.first.click(click_count=3)
    assert await pasted() == "one two"
    await alice.texts.first.dblclick(position={"x": 5, "y": 8})
    assert (await pasted()).strip() == "one"
    await select(".bar__title", ".bar__title")
    assert await pasted() == "Chat"
    await alice.field.fill("from the field")
    await alice.field.press("Control+a")
    assert await pasted("Control+x") == "from the field"
    await alice.open("/search?q=two")
    await select(".find", ".find")  # as it stands there
    await alice.page.keyboard.press("Control+c")
    await alice.open()
    await alice.connected()
    await alice.field.press("Control+v")
    value = re.sub(r"\d+ \w+ \d+, \d+:\d+", "TIME", await alice.field.input_value())
    assert value == "bob\nTIME\none two"


async def test_a_selection_that_is_dragged_is_what_was_said_too(
    alice: Visitor, bob: Visitor
) -> None:
    async def drag(start: Locator, is_selected: bool) -> str:
        """Drag what is at a place, maybe with the whole log, into the field; return its text."""
        await alice.field.fill("")
        await alice.page.evaluate("getSelection().removeAllRanges()")
        if is_selected:
            await alice.page.evaluate("getSelection().selectAllChildren(subscribe)")
        mouse = alice.page.mouse
        await start.hover(position={"x": 5, "y": 8})
        await mouse.down()
        await alice.field.hover(position={"x": 5, "y": 8})
        await alice.field.hover(position={"x": 9, "y": 8})
        await mouse.up()
        return re.sub(r"\[\d\d:\d\d\]", "[10:15]", await alice.field.input_value())

    await bob.post("one", "two\nthree", "https://example.org/")
    await all_show((alice,), "one", "two three", "https://example.org/")
    await alice.messages.first.hover()  # which has the buttons
    everything = "[10:15] bob: one\n[10:15] bob: two\nthree\n[10:15] bob: https://example.org/"
    assert await drag(alice.texts.first, is_selected=True) == everything
    link = alice.texts.last.get_by_role("link")
    assert await drag(link, is_selected=False) == "https://example.org/"
