"""Files: chosen, pasted and dropped, on their way through outages, and pictures in full."""

import asyncio
import base64
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, Locator, Route, WebSocketRoute, expect

from settings import Settings, Size
from tests.support.browser import (
    A_WHILE,
    CONNECTION_LOST,
    REFUSED,
    Visit,
    Visitor,
    all_show,
    visiting,
)
from tests.support.people import PASSWORD
from tests.support.processes import running_chat
from tests.support.site import ChatSite, serving
from tests.support.waiting import until

UPLOADS, FILES_SCRIPT = "**/file?*", "**/js/files.js"

# Gives files and texts to the page as a browser does when somebody pastes or drops them; returns
# whether the page has done something with them.
GIVE = """([type, files, texts]) => {
  const data = new DataTransfer()
  for (const [kind, text] of Object.entries(texts)) data.setData(kind, text)
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt())
    data.items.add(new File([bytes], name, { type }))
  }
  const options = { bubbles: true, cancelable: true, clipboardData: data, dataTransfer: data }
  const event = type === "paste" ? new ClipboardEvent(type, options) : new DragEvent(type, options)
  return !document.activeElement.dispatchEvent(event)
}"""


def file(name: str, content: bytes = b"%PDF-1.4 some", kind: str = "") -> FilePayload:
    """Return a file to choose."""
    return {"name": name, "mimeType": kind, "buffer": content}


def picture(name: str, width: int = 1600, height: int = 1000) -> FilePayload:
    """Return a picture to choose."""
    content = io.BytesIO()
    Image.new("RGB", (width, height), "#7ab").save(content, "PNG")
    return file(name, content.getvalue(), "image/png")


async def choose(visitor: Visitor, *files: FilePayload) -> None:
    """Choose files by the button in the composer, and wait until they are in the tray."""
    await choose_quickly(visitor, *files)
    await expect(tray(visitor).last).to_be_visible()


async def choose_quickly(visitor: Visitor, *files: FilePayload) -> None:
    """Choose files, and do not wait until the page shows them."""
    async with visitor.page.expect_file_chooser() as choosing:
        await visitor.press("Add files")
    await (await choosing.value).set_files(list(files))


async def give(visitor: Visitor, how: str, *files: FilePayload, **texts: str) -> bool:
    """Paste or drop something; return whether the page took it."""
    encoded = [
        [it["name"], it["mimeType"], base64.b64encode(it["buffer"]).decode()] for it in files
    ]
    taken: bool = await visitor.page.evaluate(
        GIVE, [how, encoded, {kind.replace("_", "/"): text for kind, text in texts.items()}]
    )
    return taken


def tray(visitor: Visitor) -> Locator:
    """Return the files that go with the next message."""
    return visitor.page.locator(".tray__file")


def files(visitor: Visitor) -> Locator:
    """Return the files in the log."""
    return visitor.log.locator(".message__file")


async def send(visitor: Visitor, text: str, *files: FilePayload) -> None:
    """Send files with a text, and wait until they are in the room."""
    before = await visitor.messages.count()
    await choose(visitor, *files)
    await visitor.field.fill(text)
    await visitor.press("Send")
    await expect(visitor.messages).to_have_count(before + len(files), timeout=A_WHILE)


@asynccontextmanager
async def held(visitor: Visitor, requests: str = UPLOADS) -> AsyncIterator[asyncio.Event]:
    """Let requests of somebody's browser wait until the event is set."""
    go_on = asyncio.Event()

    async def hold(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await visitor.context.route(requests, hold)
    try:
        yield go_on
    finally:
        go_on.set()


# Sending


async def test_files_that_are_chosen_go_out_in_their_order_the_first_with_the_text(
    alice: Visitor, bob: Visitor
) -> None:
    requests: list[str] = []
    alice.page.on("request", lambda request: requests.append(request.url))
    await alice.page.reload()
    await alice.connected()
    assert not any("files.js" in url for url in requests)  # it is loaded when it is needed
    notes, sound = file("notes.txt", b"one\ntwo"), file("memo.ogg", b"OggS" + bytes(100))
    await choose(alice, picture("harbour.png"), file("report.pdf"), notes, sound)
    assert any("files.js" in url for url in requests)
    await expect(alice.page.locator("#status")).to_have_text("4 files added")
    await expect(alice.field).to_be_focused()
    await expect(tray(alice)).to_have_text(
        [
            "harbour.png7.1 kB✕",
            "PDFreport.pdf13 bytes✕",
            "TXTnotes.txt7 bytes✕",
            "OGGmemo.ogg104 bytes✕",
        ]
    )
    await alice.say("this morning")
    await expect(tray(alice)).to_have_count(0)
    for visitor in (alice, bob):
        await all_show((visitor,), "this morning", "", "", "", timeout=A_WHILE)
        await expect(files(visitor).nth(1)).to_have_text("report.pdf PDF file, 13 bytes Download")
        await expect(files(visitor).nth(2)).to_have_text(
            "one twonotes.txt TXT file, 7 bytes Download"
        )
        await expect(files(visitor).nth(3).locator("audio")).to_be_visible()
        preview = files(visitor).first.get_by_role("img", name="this morning")
        await expect(preview).to_be_visible()
        assert await preview.evaluate("it => it.decode().then(() => it.naturalWidth)") == 960
    await expect(alice.pending).to_have_count(0)
    # A page that is loaded shows the same.
    live = await files(alice).evaluate_all(SHOWN)
    await alice.page.reload()
    assert await files(alice).evaluate_all(SHOWN) == live


SHOWN = """all => all.map((it) => it.outerHTML.replace(/\\s*\\n\\s*(?=<)/g, ""))"""


@pytest.mark.parametrize("how", ["paste", "drop"])
async def test_files_are_pasted_and_dropped_anywhere(alice: Visitor, how: str) -> None:
    await alice.log.focus()
    if how == "drop":

        async def is_told() -> bool:  # for half a second after each of these events
            assert await give(alice, "dragover", picture("a.png"))
            told = await alice.page.locator("body").get_attribute("data-drop")
            return told == "Drop files to add them to your message"

        await until(is_told)
    assert await give(alice, how, picture("a.png"), file("b.pdf"))
    await expect(tray(alice)).to_have_count(2)
    await expect(alice.page.locator("body")).not_to_have_attribute("data-drop", "")
    await alice.field.press("Enter")
    await all_show((alice,), "", "", timeout=A_WHILE)


@pytest.mark.parametrize(
    ("texts", "is_file"),
    [
        ({}, True),
        ({"text_html": "<img src='https://a.example/b.png'>"}, True),  # of another page
        ({"text_plain": "a.png"}, True),  # a file that was copied in a folder
        ({"text_plain": "cells\tof a table", "text_html": "<table>"}, False),
        ({"text_plain": "a.png and more"}, False),
    ],
)
async def test_a_text_with_a_picture_beside_it_is_pasted_as_a_text(
    alice: Visitor, texts: dict[str, str], is_file: bool
) -> None:
    await alice.field.focus()
    assert await give(alice, "paste", picture("a.png"), **texts) == is_file
    await expect(tray(alice)).to_have_count(1 if is_file else 0)


async def test_a_text_that_is_dragged_is_the_browsers(alice: Visitor) -> None:
    assert not await give(alice, "dragover", text_plain="words")
    assert not await give(alice, "drop", text_plain="words")


async def test_a_file_can_be_removed_before_it_is_sent(alice: Visitor) -> None:
    await choose(alice, picture("one.png"), file("two.pdf"))
    await alice.page.get_by_role("button", name="Remove one.png").press("Enter")
    await expect(alice.field).to_be_focused()
    await expect(alice.page.locator("#status")).to_have_text("one.png removed")
    await alice.field.press("Enter")
    await expect(files(alice)).to_have_text(["two.pdf PDF file, 13 bytes Download"])


async def test_what_cant_be_sent_is_told_and_everything_else_stays(
    settings: Settings, browser: Browser
) -> None:
    async with (
        serving(replace(settings, FILE_SIZE_LIMIT=Size(2000))) as chat,
        visiting(browser) as visit,
    ):
        alice = await visit(chat.url, "alice")
        await alice.field.fill("with a text")
        await choose(
            alice, file("good.pdf"), file("empty.txt", b""), file("large.mov", b"x" * 2001)
        )
        await expect(alice.error).to_have_text(
            "“empty.txt” is empty. “large.mov” has 2.0 kB. A file may have at most 2.0 kB."
        )
        await choose(alice, *(file(f"{number}.pdf") for number in range(10)))
        await expect(alice.error).to_have_text("Only 10 files can be sent at once.")
        await expect(tray(alice)).to_have_count(10)
        await expect(alice.field).to_have_value("with a text")


async def test_a_folder_cant_be_sent(alice: Visitor) -> None:
    await alice.page.evaluate(
        "DataTransferItem.prototype.webkitGetAsEntry = () => ({ isDirectory: true })"
    )
    assert await give(alice, "drop", file("holidays", bytes(4096)))
    await expect(alice.error).to_have_text("Folders can't be sent: please send the files in them.")
    await expect(tray(alice)).to_have_count(0)


async def test_a_message_waits_for_the_files_that_were_chosen_for_it(
    alice: Visitor, bob: Visitor
) -> None:
    """On a slow network the part of the page that puts them into the tray takes a while."""
    send = alice.page.locator("#submit")
    async with held(alice, FILES_SCRIPT):
        await choose_quickly(alice, file("a.pdf"))
        await alice.say("look")
        await choose_quickly(alice, file("b.pdf"))
        await alice.field.press("Enter")
        await expect(send).to_have_attribute("aria-busy", "true")
        await bob.say("meanwhile")
        await all_show((alice, bob), "meanwhile")
        await expect(alice.field).to_have_value("look")
    await all_show((alice, bob), "meanwhile", "look", "", timeout=A_WHILE)
    await expect(files(bob)).to_have_count(2)
    await expect(alice.field).to_have_value("")
    await expect(send).not_to_have_attribute("aria-busy", "true")


async def test_a_message_that_waited_for_files_that_cant_be_sent_stays(alice: Visitor) -> None:
    async with held(alice, FILES_SCRIPT):
        await choose_quickly(alice, file("empty.pdf", b""))
        await alice.say("look")
        await choose_quickly(alice, file("b.pdf"))
    await expect(tray(alice)).to_have_count(1)
    await expect(alice.error).to_have_text("“empty.pdf” is empty.")
    await expect(alice.field).to_have_value("look")
    await alice.field.press("Enter")
    await all_show((alice,), "look", timeout=A_WHILE)
    await expect(files(alice)).to_have_count(1)


async def test_a_message_that_waits_for_files_does_not_go_out_if_its_author_writes_on(
    alice: Visitor,
) -> None:
    await alice.say("earlier")
    await expect(alice.texts).to_have_text(["earlier"])
    async with held(alice, FILES_SCRIPT):
        await choose_quickly(alice, file("a.pdf"))
        await alice.say("look")
        await alice.act(alice.messages.first, "Edit")
        await alice.field.fill("half a change")
    await expect(tray(alice)).to_have_count(1)
    await expect(alice.field).to_have_value("half a change")
    await alice.press("Cancel")
    await expect(alice.field).to_have_value("look")
    await choose(alice, file("b.pdf"))
    await expect(tray(alice)).to_have_count(2)  # it has sent nothing, either
    await all_show((alice,), "earlier")
    await alice.field.press("Enter")
    await all_show((alice,), "earlier", "look", "", timeout=A_WHILE)


@pytest.mark.parametrize("sends_again", [False, True])
async def test_what_is_typed_while_a_message_waits_for_files_belongs_to_the_next_send(
    alice: Visitor, sends_again: bool
) -> None:
    async with held(alice, FILES_SCRIPT):
        await choose_quickly(alice, file("a.pdf"))
        await alice.say("look")
        await alice.field.press_sequentially(" here")
        if sends_again:
            await alice.submit()
    if sends_again:
        await all_show((alice,), "look here", timeout=A_WHILE)
    await expect(tray(alice)).to_have_count(0 if sends_again else 1)
    await expect(alice.field).to_have_value("" if sends_again else "look here")
    await expect(files(alice)).to_have_count(1 if sends_again else 0)


async def test_whoever_signs_out_while_a_message_waits_for_its_files_is_asked(
    alice: Visitor,
) -> None:
    async with held(alice, FILES_SCRIPT):
        await choose_quickly(alice, file("a.pdf"))
        await alice.say("look")
        await alice.sign_out()
        await expect(alice.page.get_by_text("A message is not sent yet.")).to_be_visible()


async def test_where_the_rest_of_the_page_cant_be_loaded_files_can_be_chosen_again(
    alice: Visitor,
) -> None:
    alice.tolerates = CONNECTION_LOST
    await alice.page.route("**/js/files.js", lambda route: route.abort())
    chooser = alice.page.locator("#composer [type=file]")
    await chooser.set_input_files([file("a.pdf")])
    await expect(alice.error).to_have_text(
        "Files can't be sent while the server does not answer. Please try again"
    )
    await alice.page.unroute("**/js/files.js")
    await chooser.set_input_files([file("a.pdf")])
    await expect(tray(alice)).to_have_text("PDFa.pdf13 bytes✕")
    await expect(alice.error).to_have_text("")


async def test_where_files_are_turned_off_there_is_no_button_and_a_drop_does_nothing(
    settings: Settings, browser: Browser
) -> None:
    async with (
        serving(replace(settings, FILE_SIZE_LIMIT=Size(0))) as chat,
        visiting(browser) as visit,
    ):
        alice = await visit(chat.url, "alice")
        await expect(alice.page.get_by_role("button", name="Add files")).to_have_count(0)
        assert await give(alice, "dragover", file("a.pdf"))
        assert await give(alice, "drop", file("a.pdf"))
        await expect(alice.error).to_have_text("No files can be sent here")


async def test_a_change_takes_no_files_and_those_in_the_tray_wait(alice: Visitor) -> None:
    await alice.say("helo")
    await expect(alice.messages).to_have_count(1)
    await choose(alice, file("a.pdf"))
    await alice.field.press("ArrowUp")
    await expect(tray(alice)).to_be_hidden()
    await give(alice, "drop", file("b.pdf"))
    await expect(alice.error).to_contain_text("A change can't add files")
    await alice.say("hello")
    await expect(alice.texts).to_have_text(["hello"])
    await expect(tray(alice)).to_have_text("PDFa.pdf13 bytes✕")
    await alice.field.press("Enter")
    await expect(files(alice)).to_have_count(1)


# On their way


async def test_an_upload_can_be_cancelled_and_the_page_asks_before_it_is_lost(
    alice: Visitor, bob: Visitor
) -> None:
    async with held(alice):
        await choose(alice, file("first.pdf"), file("second.pdf"))
        await alice.say("the text")
        await expect(alice.pending).to_have_count(2)
        await expect(alice.pending.first).to_contain_text("sending…")
        await expect(alice.pending.last).to_contain_text("waiting")
        await alice.page.evaluate("location.reload()")
        await expect(alice.pending).to_have_count(2)
        assert [it.partition(":")[0] for it in alice.problems] == ["dialog"]
        alice.problems.clear()
        await alice.pending.first.get_by_role("button", name="Cancel").press("Enter")
        await expect(alice.pending).to_have_text(["the text second.pdf sending… Retry Cancel"])
        await expect(alice.field).to_be_focused()
        await alice.pending.get_by_role("button", name="Cancel").click()
        await expect(alice.pending).to_have_count(0)
        await expect(alice.field).to_have_value("the text")
    await alice.say("after all")
    await all_show((alice, bob), "after all")


async def test_the_text_of_an_upload_outlives_the_tab(alice: Visitor) -> None:
    async with held(alice):
        await choose(alice, file("report.pdf"))
        await alice.say("the numbers")
        await expect(alice.pending).to_contain_text("sending…")
        await alice.page.close()
    alice = await alice.tab()
    await expect(alice.field).to_have_value("the numbers")
    await send(alice, "all the numbers", file("report.pdf"))
    await expect(alice.pending).to_have_count(0)
    assert await alice.page.evaluate("localStorage.length") == 0


async def test_an_upload_begins_again_when_the_server_is_back(visit: Visit) -> None:
    async with running_chat() as process:
        alice, bob = await visit(process.url, "alice"), await visit(process.url, "bob")
        alice.tolerates = bob.tolerates = CONNECTION_LOST
        await choose(alice, picture("harbour.png"))
        await process.kill()
        await alice.disconnected()
        await alice.say("this morning")
        await expect(alice.pending).to_contain_text("waiting")
        await process.start()
        for visitor in (alice, bob):
            await expect(visitor.texts).to_have_text(["this morning"], timeout=A_WHILE)
            await expect(files(visitor)).to_have_count(1)
        await expect(alice.pending).to_have_count(0)


async def test_a_file_whose_answer_is_lost_comes_once(alice: Visitor, bob: Visitor) -> None:
    alice.tolerates = CONNECTION_LOST
    lost: list[str] = []

    async def lose_the_first_answer(route: Route) -> None:
        answer = await route.fetch()
        if lost:
            return await route.fulfill(response=answer)
        lost.append(await answer.text())
        await route.abort()

    await alice.page.route("**/file?*", lose_the_first_answer)
    await send(alice, "the numbers", file("report.pdf"))
    await expect(alice.pending).to_have_count(0)
    assert len(lost) == 1
    await alice.say("the end")
    await all_show((alice, bob), "the numbers", "the end")
    await expect(files(bob)).to_have_count(1)


async def test_a_file_that_the_server_has_is_sent_once_though_the_tab_is_closed(
    chat: ChatSite, visit: Visit, bob: Visitor
) -> None:
    alice = await visit(chat.url)

    def say_nothing(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(lambda data: None if '"message"' in str(data) else server.send(data))

    await alice.page.route_web_socket("**/ws?*", say_nothing)
    await alice.sign_up("alice")
    await alice.open()
    await alice.connected()
    await choose(alice, file("report.pdf"))
    await alice.say("the numbers")
    await expect(alice.pending).to_have_text("the numbers report.pdf sending… Retry Discard")
    await expect(alice.pending.locator("progress")).to_have_count(0)  # the server has it
    await alice.page.close()
    alice = await alice.tab()
    for visitor in (alice, bob):
        await all_show((visitor,), "the numbers")
        await expect(files(visitor)).to_have_text(["report.pdf PDF file, 13 bytes Download"])


async def test_a_file_goes_out_where_no_socket_can_be_opened(
    chat: ChatSite, visit: Visit, bob: Visitor
) -> None:
    alice = await visit(chat.url)
    await alice.context.route_web_socket("**/ws*", lambda socket: socket.close())
    await alice.sign_up("alice")
    await alice.open()
    await choose(alice, picture("harbour.png"))
    await alice.say("this morning")
    for visitor in (alice, bob):
        await expect(visitor.texts).to_have_text(["this morning"], timeout=A_WHILE)
        await expect(files(visitor).get_by_role("img")).to_have_count(1)


async def test_a_file_that_the_server_refuses_can_be_sent_again_or_discarded(
    alice: Visitor,
) -> None:
    alice.tolerates = REFUSED
    await alice.page.route(
        "**/file?*", lambda route: route.fulfill(status=413, json={"error": "It is too large."})
    )
    await choose(alice, file("report.pdf"))
    await alice.say("the numbers")
    await expect(alice.pending).to_have_text(
        "the numbers report.pdf not sent: It is too large. Retry Discard"
    )
    await alice.page.unroute("**/file?*")
    await choose(alice, file("next.pdf"))
    await alice.field.press("Enter")  # it need not wait
    await expect(files(alice)).to_contain_text(["next.pdf"])
    await alice.press("Retry")
    await expect(files(alice)).to_contain_text(["next.pdf", "report.pdf"])
    await all_show((alice,), "", "the numbers")


async def test_who_was_signed_out_meanwhile_may_log_in_elsewhere_and_send_it_again(
    alice: Visitor,
) -> None:
    alice.tolerates = (*REFUSED, "dialog")  # the page would be left for the log-in
    async with held(alice) as go_on:
        await choose(alice, file("report.pdf"))
        await alice.say("the numbers")
        await alice.context.request.post(f"{alice.url}/signout")
        go_on.set()
        await expect(alice.pending).to_contain_text("not sent: ")
    other = await alice.tab("/login")
    await other.log_in("alice")
    await expect(other.field).to_be_visible()
    await alice.press("Retry")
    await all_show((other,), "the numbers")
    await expect(files(other)).to_have_count(1)


async def test_a_file_is_not_sent_for_somebody_else_who_has_signed_in_meanwhile(
    alice: Visitor, bob: Visitor
) -> None:
    alice.tolerates = (*REFUSED, "dialog")
    async with held(alice) as go_on:
        await choose(alice, file("report.pdf"))
        await alice.say("the numbers")
        form: dict[str, Any] = {"login": "bob", "password": PASSWORD}
        await alice.context.request.post(f"{alice.url}/login", form=form)
        go_on.set()
        await expect(alice.pending).to_contain_text("signed in as bob now")


# In the log


async def test_nothing_moves_when_a_preview_comes(alice: Visitor, bob: Visitor) -> None:
    await send(bob, "before", picture("a.png"), picture("tall.png", 300, 900))
    async with held(alice, "**/preview"):
        tab = await alice.tab()
        await tab.connected()
        await send(bob, "live", picture("b.png"))
        await expect(tab.texts.last).to_have_text("live")
        await expect(files(tab).last).to_be_in_viewport(ratio=1)  # the log has followed
        boxes = [await message.bounding_box() for message in await tab.messages.all()]
    for preview in await files(tab).get_by_role("img").all():
        await preview.evaluate("it => { it.loading = 'eager'; return it.decode() }")
    assert [await message.bounding_box() for message in await tab.messages.all()] == boxes


async def test_a_deleted_message_loses_its_file_on_every_page(alice: Visitor, bob: Visitor) -> None:
    await send(alice, "", picture("secret.png"))
    await expect(files(bob)).to_have_count(1)
    address = await bob.page.locator(".file__picture").get_attribute("href")
    assert (await bob.context.request.get(f"{bob.url}{address}")).ok
    await bob.page.locator(".file__picture").click()
    viewer = bob.page.get_by_role("dialog", name="Picture")
    await expect(viewer.get_by_role("img")).to_be_visible()
    await expect(viewer.get_by_role("img")).to_have_attribute("src", f"{bob.url}{address}")
    await alice.act(alice.messages.first, "Delete")
    await alice.press("Really delete?")
    for visitor in (alice, bob):
        await expect(visitor.messages.locator(".message__state")).to_have_text("deleted")
        await expect(files(visitor)).to_have_count(0)
        await expect(visitor.messages).not_to_have_attribute("data-file", re.compile("secret"))
    await expect(viewer).to_be_hidden()

    async def is_gone() -> bool:
        return (await bob.context.request.get(f"{bob.url}{address}")).status == 404

    await until(is_gone)


async def test_the_text_beside_a_file_can_be_changed_and_removed(
    alice: Visitor, bob: Visitor
) -> None:
    await send(alice, "helo", picture("a.png"))
    for text, name in (("hello", "hello"), ("", "a.png")):
        await alice.field.press("ArrowUp")
        await alice.say(text)
        for visitor in (alice, bob):
            await all_show((visitor,), text)
            await expect(files(visitor).get_by_role("img", name=name)).to_be_visible()


async def test_an_answer_to_a_file_and_a_copy_of_the_log_have_its_name(
    alice: Visitor, bob: Visitor
) -> None:
    await send(bob, "", picture("harbour.png"))
    await bob.post("words")
    await expect(alice.texts.last).to_have_text("words")
    await alice.act(alice.messages.first, "Reply")
    await expect(alice.page.locator(".reply__text")).to_have_text("harbour.png")
    await alice.say("nice")
    await expect(alice.texts.last).to_have_text("> bob #1: harbour.png nice")
    await alice.log.evaluate("log => getSelection().selectAllChildren(log)")
    copied = await alice.page.evaluate("""() => {
      const clipboardData = new DataTransfer()
      const event = new ClipboardEvent("copy", { clipboardData, bubbles: true, cancelable: true })
      document.body.dispatchEvent(event)
      return clipboardData.getData("text/plain")
    }""")
    assert [line.partition("] ")[2] for line in copied.split("\n")[:2]] == [
        "bob: [harbour.png]",
        "bob: words",
    ]


AWAY = """
localStorage.notify = "on"
document.hasFocus = () => false
window.noted = []
window.Notification = class {
  static permission = "granted"
  constructor(title, { body }) { noted.push(`${title}: ${body}`) }
}
"""


async def test_a_notification_tells_of_the_file(chat: ChatSite, visit: Visit, bob: Visitor) -> None:
    alice = await visit(chat.url, "alice", AWAY)
    await send(bob, "@alice look", picture("harbour.png"))
    await alice.page.wait_for_function("() => noted.length")
    assert await alice.page.evaluate("noted") == ["bob: @alice look\nsent harbour.png"]


# In full


async def test_pictures_are_looked_at_by_keys(alice: Visitor) -> None:
    await send(alice, "", picture("one.png"), file("between.pdf"), picture("two.png", 300, 400))
    links = alice.page.locator(".file__picture")
    await links.first.press("Enter")
    viewer = alice.page.get_by_role("dialog", name="Picture")
    await expect(viewer.get_by_role("img", name="one.png")).to_be_visible()
    await expect(viewer.get_by_role("status")).to_have_text(re.compile(r"^one.png \d+ kB, 1 of 2$"))
    await expect(viewer.get_by_role("button", name="Earlier picture")).to_be_hidden()
    await alice.page.keyboard.press("ArrowRight")
    shown = viewer.get_by_role("img", name="two.png")
    href = await links.last.get_attribute("href")
    await expect(shown).to_have_attribute("src", f"{alice.url}{href}")
    await expect(viewer.get_by_role("link", name="Download")).to_have_attribute(
        "href", f"{alice.url}{href}?download"
    )
    await alice.page.keyboard.press("ArrowRight")  # there is no other one
    await expect(shown).to_be_visible()
    await alice.page.keyboard.press("Escape")
    await expect(viewer).to_be_hidden()
    await expect(links.last).to_be_focused()
    await links.first.click()
    await viewer.get_by_role("button", name="Close").click()
    await expect(viewer).to_be_hidden()
    await expect(alice.page).to_have_url(f"{alice.url}/")


async def test_pictures_are_looked_at_by_fingers(chat: ChatSite, visit: Visit) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "has_touch": True}
    alice = await visit(chat.url, "alice", **phone)
    await send(alice, "", picture("one.png"), picture("two.png"))
    await alice.page.locator(".file__picture").first.tap()
    viewer = alice.page.get_by_role("dialog", name="Picture")
    await expect(viewer.get_by_role("img", name="one.png")).to_be_visible()
    session = await alice.context.new_cdp_session(alice.page)

    async def swipe(start: int, end: int) -> None:
        for kind, x in (
            ("touchStart", start),
            ("touchMove", (start + end) // 2),
            ("touchMove", end),
        ):
            points = [{"x": x, "y": 400}]
            await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    await swipe(300, 100)
    await expect(viewer.get_by_role("img", name="two.png")).to_be_visible()
    await swipe(100, 300)
    await expect(viewer.get_by_role("img", name="one.png")).to_be_visible()
    await viewer.locator(".viewer__stage").click(position={"x": 200, "y": 5})  # not the picture
    await expect(viewer).to_be_hidden()
