"""The clipboard in Chromium: what is copied of the log is what was said."""

import re

import pytest

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
