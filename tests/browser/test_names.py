"""Names in Chromium: the list that completes what is typed after @."""

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser import Visitor


def options(visitor: Visitor) -> Locator:
    """Return the names that are offered."""
    return visitor.page.get_by_role("option")


async def leave(visitor: Visitor, way: str) -> None:
    """Take the caret out of the name, without a letter being typed."""
    if way == "click":
        await visitor.field.click(position={"x": 4, "y": 12})
    elif way == "script":
        await visitor.field.evaluate("field => field.setSelectionRange(0, 2)")
    else:
        await visitor.field.press(way)


WAYS_OUT = ("Home", "ArrowLeft", "Control+ArrowLeft", "Control+a", "Shift+Home", "click", "script")


@pytest.mark.usefixtures("bob")
async def test_the_list_closes_when_the_caret_leaves_the_name(alice: Visitor) -> None:
    for count, way in enumerate(WAYS_OUT, 1):
        await alice.field.press_sequentially("well, @bo")
        await expect(options(alice)).to_have_text(["bob"])
        await leave(alice, way)
        await expect(alice.page.get_by_role("listbox")).to_be_hidden()
        assert await alice.field.get_attribute("aria-activedescendant") is None
        await alice.field.press("Enter")
        await expect(alice.texts).to_have_text(["well, @bo"] * count)


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("key", ["Enter", "Tab", "ArrowDown", "Escape"])
async def test_no_key_is_swallowed_that_comes_right_after_the_caret_left_the_name(
    alice: Visitor, key: str
) -> None:
    # The browser tells of the caret later than of the next key, if that comes at once.
    await alice.page.evaluate(
        """addEventListener("selectionchange", (event) => event.stopPropagation(), true)
           document.addEventListener("keydown", (event) => window.last = event)"""
    )
    for way in WAYS_OUT:
        await alice.field.fill("")
        await alice.field.press_sequentially("well, @bo")
        await expect(options(alice)).to_have_text(["bob"])
        await leave(alice, way)
        await alice.page.keyboard.press(key)
        if key == "Enter":
            await expect(alice.field).to_have_value("")  # it is sent
        else:
            assert await alice.page.evaluate("[last.key, last.defaultPrevented]") == [key, False]


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("key", ["Control+Enter", "Meta+Enter", "Alt+ArrowUp", "Control+Tab"])
async def test_keys_with_a_modifier_are_not_those_of_the_list(alice: Visitor, key: str) -> None:
    await alice.field.press_sequentially("@bo")
    await expect(options(alice)).to_have_text(["bob"])
    await alice.field.press(key)
    await expect(alice.field).to_have_value("" if key.endswith("Enter") else "@bo")


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("by_mouse", [False, True])
async def test_a_completed_name_can_be_undone_and_done_again(
    alice: Visitor, by_mouse: bool
) -> None:
    await alice.field.press_sequentially("first second ")
    await alice.field.press_sequentially("@bo")
    if by_mouse:
        await options(alice).click()
    else:
        await alice.field.press("Tab")
    await expect(alice.field).to_have_value("first second @bob ")
    await alice.field.press("Control+z")
    await expect(alice.field).to_have_value("first second @bo")
    await alice.field.press("Control+Shift+z")
    await expect(alice.field).to_have_value("first second @bob ")
    for _ in "first second @bo ":
        await alice.field.press("Control+z")
    await expect(alice.field).to_have_value("")


@pytest.mark.usefixtures("bob")
async def test_a_name_is_completed_where_nothing_can_be_undone(alice: Visitor) -> None:
    await alice.page.evaluate("document.execCommand = () => false")
    await alice.field.press_sequentially("hi @bo")
    await alice.field.press("Enter")
    await expect(alice.field).to_have_value("hi @bob ")
    await alice.page.reload()
    await expect(alice.field).to_have_value("hi @bob ")  # the draft has it


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize("before", ["你好", "你好，", "hi,", "（", "ขอบคุณ"])
async def test_a_name_is_completed_without_a_space_before_it(alice: Visitor, before: str) -> None:
    await alice.field.press_sequentially(f"{before}@bo")
    await alice.field.press("Enter")
    await expect(alice.field).to_have_value(f"{before}@bob ")
