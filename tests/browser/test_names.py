"""Names in Chromium: the list that completes what is typed after @."""

import asyncio

import pytest
from playwright.async_api import Locator, Route, expect

from chat import wire
from chat.hub import HUB
from settings import USER_COLLECTION
from storage.database import DATABASE
from tests.support.browser import REFUSED, Visit, Visitor
from tests.support.site import ChatSite


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


@pytest.mark.usefixtures("bob")
async def test_keys_belong_to_the_input_method_until_the_name_is_composed(alice: Visitor) -> None:
    keyboard = await alice.context.new_cdp_session(alice.page)
    await alice.field.press_sequentially("你好")
    for text in ("@", "@b", "@bo"):
        place = {"selectionStart": len(text), "selectionEnd": len(text)}
        await keyboard.send("Input.imeSetComposition", {"text": text, **place})
    await expect(options(alice)).to_have_text(["bob"])
    for key in ("Enter", "Tab", "Unidentified"):
        pressed = {"type": "rawKeyDown", "key": key, "windowsVirtualKeyCode": 229}
        await keyboard.send("Input.dispatchKeyEvent", pressed)
    await expect(alice.field).to_have_value("你好@bo")
    await keyboard.send("Input.insertText", {"text": "@bo"})
    await alice.field.press("Enter")
    await expect(alice.field).to_have_value("你好@bob ")
    await alice.field.press("Control+z")
    await expect(alice.field).to_have_value("你好@bo")


@pytest.mark.usefixtures("bob")
async def test_no_name_is_offered_or_missed_in_code(alice: Visitor) -> None:
    await alice.field.press_sequentially("@bo")
    await expect(options(alice)).to_have_text(["bob"])
    for code in ("`git log @bo", "```\n@property\n@bo"):
        await alice.field.fill(code)
        await expect(alice.page.get_by_role("listbox")).to_be_hidden()
        await expect(alice.page.locator("#nobody")).to_have_text("")


async def test_everybody_with_an_account_is_offered_before_they_have_come(
    chat: ChatSite, visit: Visit, alice: Visitor
) -> None:
    for login in ("zoe", "Zoltán", "Зоя"):
        await (await visit(chat.url)).sign_up(login)
    asked: list[str] = []
    alice.page.on("request", lambda request: asked.append(request.url))
    await alice.field.press_sequentially("hi @ZO")
    await expect(options(alice)).to_have_text(["zoe", "Zoltán"])
    await expect(alice.page.locator("#status")).to_have_text("2 names")
    await alice.field.press("ArrowDown")
    await alice.field.press("Enter")
    await expect(alice.field).to_have_value("hi @Zoltán ")
    await alice.field.press_sequentially("and @зо")
    await expect(options(alice)).to_have_text(["Зоя"])
    assert asked == [f"{chat.url}/people/names?begin="]  # a small room has one answer


async def test_an_answer_keeps_what_is_selected_and_opens_no_list_that_was_left(
    chat: ChatSite, visit: Visit, alice: Visitor
) -> None:
    for login in ("adam", "alf"):
        await (await visit(chat.url)).sign_up(login)
    chat.app[HUB].broadcast(wire.joined("amy"))
    await alice.told("amy joined")
    answer = alice.page.expect_request("**/people/names?*")
    release = await hold_answers(alice)
    async with answer:
        await alice.field.press_sequentially("@a")
    await expect(options(alice)).to_have_text(["amy", "all"])
    await alice.field.press("ArrowDown")
    release.set()
    await expect(options(alice)).to_have_text(["amy", "adam", "alf", "all"])
    await expect(alice.page.get_by_role("option", selected=True)).to_have_text("all")

    await alice.field.fill("")  # or the next page asks for the names of its draft
    await alice.page.reload()
    await alice.connected()
    release.clear()
    async with alice.page.expect_response("**/people/names?*"):
        async with alice.page.expect_request("**/people/names?*"):
            await alice.field.press_sequentially("@al")
        await alice.field.press("Escape")
        release.set()
    await alice.page.evaluate("new Promise(requestAnimationFrame)")
    await expect(alice.page.get_by_role("listbox")).to_be_hidden()


@pytest.mark.usefixtures("bob")
async def test_a_name_under_a_finger_stays_when_an_answer_offers_it_again(alice: Visitor) -> None:
    release = await hold_answers(alice)
    await alice.field.press_sequentially("hi @b")
    await expect(options(alice)).to_have_text(["bob"])
    await alice.page.evaluate("window.pressed = document.querySelector('[role=option]')")
    async with alice.page.expect_response("**/people/names?*") as answered:
        release.set()
    await (await answered.value).finished()
    await alice.page.evaluate("new Promise(requestAnimationFrame)")
    assert await alice.page.evaluate("pressed.isConnected")


async def hold_answers(visitor: Visitor) -> asyncio.Event:
    """Let the server's names come only after the event that is returned."""
    release = asyncio.Event()

    async def hold(route: Route) -> None:
        await release.wait()
        await route.continue_()

    await visitor.page.route("**/people/names?*", hold)
    return release


@pytest.mark.usefixtures("bob")
async def test_a_name_that_nobody_has_is_told_while_it_is_in_the_text(alice: Visitor) -> None:
    nobody = alice.page.locator("#nobody")
    await alice.field.press_sequentially("hi @bbo")
    await expect(nobody).to_have_text("Nobody is called bbo")
    await alice.field.press_sequentially(", @all, @alice, @Bob. Look")
    await expect(nobody).to_have_text("Nobody is called bbo")
    await alice.field.press("Enter")
    await expect(alice.texts).to_have_text(["hi @bbo, @all, @alice, @Bob. Look"])
    await expect(nobody).to_have_text("")
    for text in ("me@zoe.example", "https://x.example/@zoe", "你好@王伟你好", "@BOB's", "@"):
        await alice.field.fill(text)
        await expect(nobody).to_have_text("")
    await alice.field.fill("@zoe")
    await expect(nobody).to_have_text("Nobody is called zoe")
    await alice.field.fill("@bo")  # which may become a name that is offered
    await expect(options(alice)).to_have_text(["bob"])
    await expect(nobody).to_have_text("")
    await alice.field.press(" ")
    await expect(nobody).to_have_text("Nobody is called bo")


@pytest.mark.usefixtures("bob")
async def test_each_pasted_name_is_looked_up(chat: ChatSite, alice: Visitor) -> None:
    """In a room with so many names that one answer does not have all of them."""
    accounts = [{"login": f"z{n}", "login_key": f"z{n}"} for n in range(200)]
    await (
        chat.app[DATABASE]
        .motor[USER_COLLECTION]
        .insert_many(
            {**account, "look": account["login"], "email_key": account["login"]}
            for account in accounts
        )
    )
    nobody = alice.page.locator("#nobody")
    await alice.field.fill("@z1, @bob and @zed, `@zap` and @zoe")
    await expect(nobody).to_have_text("Nobody is called zed")
    await alice.field.fill("@z1, @bob and @z17, or @zoe.")
    await expect(nobody).to_have_text("Nobody is called zoe")
    await alice.field.fill("@z1, @bob and @z17")
    await expect(nobody).to_have_text("")


@pytest.mark.usefixtures("bob")
async def test_the_list_leaves_what_is_told_of_an_earlier_name_in_sight(alice: Visitor) -> None:
    await alice.page.set_viewport_size({"width": 320, "height": 568})
    await alice.field.press_sequentially("@bbo and @bo")
    await expect(options(alice)).to_have_text(["bob"])
    nobody, names = alice.page.locator("#nobody"), alice.page.get_by_role("listbox")
    await expect(nobody).to_have_text("Nobody is called bbo")
    text, box = await nobody.bounding_box(), await names.bounding_box()
    assert text is not None
    assert box is not None
    assert 0 <= box["y"] < box["y"] + box["height"] <= text["y"]


async def test_names_the_server_cannot_tell_are_not_called_nobodys(alice: Visitor) -> None:
    alice.tolerates = REFUSED
    await alice.page.route("**/people/names?*", lambda route: route.fulfill(status=429))
    async with alice.page.expect_response("**/people/names?*"):
        await alice.field.press_sequentially("@zoe")
    await alice.field.press_sequentially(" hi")
    await expect(alice.page.locator("#nobody")).to_have_text("")
    await alice.field.press("Enter")
    await expect(alice.texts).to_have_text(["@zoe hi"])
