"""Texts that would run a script if a page let them."""

from datetime import UTC, datetime

from playwright.async_api import Browser, expect

from chat import wire
from chat.hub import HUB
from chat.refused import Refused
from settings import MESSAGE_COLLECTION
from tests.support.browser import REFUSED, Visit, Visitor
from tests.support.hostile import HOSTILE
from tests.support.site import ChatSite


async def test_a_script_in_the_page_is_refused_and_noticed(
    chat: ChatSite, browser: Browser
) -> None:
    """Without it, the other tests could not fail by a script that runs or is refused."""
    alice = await Visitor.arrive(browser, chat.url)
    await alice.open("/login")
    async with alice.page.expect_console_message(lambda message: "CSP:" in message.text):
        await alice.page.evaluate(
            """document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=alert(1)>")"""
        )
    assert any("CSP: script-src" in problem for problem in alice.problems)
    assert not any("dialog" in problem for problem in alice.problems)
    await alice.page.evaluate("setTimeout(() => alert(2))")
    async with alice.page.expect_event("pageerror"):
        await alice.page.evaluate("setTimeout(() => { throw new Error(3) })")
    assert "dialog: 2" in alice.problems
    assert "uncaught: 3" in alice.problems
    await alice.context.close()


async def test_hostile_messages_are_shown_as_they_were_written(
    chat: ChatSite, visit: Visit
) -> None:
    assert len(set(HOSTILE)) >= 100
    alice = await visit(chat.url, "alice")
    for text in HOSTILE:
        await alice.post(text)
    await expect(alice.texts).to_have_count(len(HOSTILE))
    assert await alice.texts.all_text_contents() == HOSTILE  # from the socket
    shown: list[str] = []
    await alice.open()
    while len(shown) < len(HOSTILE):
        shown = await alice.texts.all_text_contents() + shown
        if len(shown) < len(HOSTILE):
            await alice.open(f"/?before={len(HOSTILE) - len(shown) + 1}")
    assert shown == HOSTILE  # from the pages


async def test_hostile_names_are_shown_as_they_were_written(chat: ChatSite, alice: Visitor) -> None:
    # None can be registered, but a database that the tutorial wrote may hold any.
    names = [name.replace("\n", " ") for name in HOSTILE]
    entries = [
        {"seq": seq, "key": f":{seq}", "user": name, "user_id": "", "msg": "x", "time": TIME}
        for seq, name in enumerate(names, 1)
    ]
    await chat.database[MESSAGE_COLLECTION].insert_many(entries, ordered=True)
    authors = alice.log.locator(".message__author")
    await expect(authors).to_have_count(len(names))
    expected = [f"({name})" for name in names]
    assert await authors.all_text_contents() == expected
    for name in names:
        chat.app[HUB].broadcast(wire.joined(name))
        chat.app[HUB].broadcast(wire.left(name))
        chat.app[HUB].broadcast(wire.error(Refused("invalid", name)))
    await expect(alice.error).to_have_js_property("textContent", names[-1])  # exactly
    assert [notice for notice in await alice.statuses() if notice] == [
        f"{name} {what}" for name in names for what in ("joined", "disconnected")
    ]
    await alice.open()
    assert (await authors.all_text_contents())[-50:] == expected[-50:]


TIME = datetime(2026, 11, 21, tzinfo=UTC)


async def test_hostile_logins_come_back_into_the_form_as_they_were_typed(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url)
    alice.tolerates = REFUSED
    await alice.open("/signin")
    texts = [text.replace("\n", "") for text in HOSTILE]  # a field has but one line
    for login, email in zip(texts[::2], [*texts[1::2], texts[0]], strict=False):
        async with alice.page.expect_navigation():
            await alice.page.evaluate(
                """([login, email]) => {
                  const form = document.querySelector("form")
                  form.elements.login.value = login
                  form.elements.email.value = email
                  // Not form.submit(): that is its button.
                  HTMLFormElement.prototype.submit.call(form)
                }""",
                [login, email],
            )
        assert await alice.page.locator("#login").input_value() == login
        assert await alice.page.locator("#email").input_value() == email
        assert await alice.error.text_content() == "Please fill all fields"
