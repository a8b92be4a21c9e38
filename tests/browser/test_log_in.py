"""Accounts in Chromium: creating one, logging in, signing out."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser import REFUSED, Visit, Visitor, assert_thumb_sized
from tests.support.people import PASSWORD
from tests.support.site import ChatSite


async def test_registering_through_the_page_leads_into_the_chat(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url)
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await alice.page.get_by_role("link", name="Create account").click()
    await alice.page.get_by_label("Login").fill("alice")
    await alice.page.get_by_label("E-mail").fill("alice@example.com")
    await alice.page.get_by_label(re.compile(r"Password \(")).fill(PASSWORD)
    await alice.press("Create account")
    await expect(alice.page).to_have_title("Main Chat page")
    await expect(alice.page).to_have_url(f"{alice.url}/")
    await expect(alice.page.locator(".bar")).to_contain_text("alice")
    [cookie] = await alice.session_cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


FILL, SHORT = "Please fill all fields", "Password must have at least 8 characters"
WRONG_LOGIN = "Wrong login or password"


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("path", "fields", "error", "asks_server"),
    [
        # A browser's own check, which only scripts turn off, would keep an empty form back.
        ("/login", {"login": " ", "password": " "}, FILL, False),
        ("/signin", {"login": " ", "email": "a@b", "password": " "}, FILL, False),
        ("/signin", {"login": "bob", "email": "b@b", "password": "seven77"}, SHORT, False),
        ("/login", {"login": "alice", "password": "not her password"}, WRONG_LOGIN, True),
    ],
)
async def test_a_form_that_is_refused_is_complained_about_and_keeps_the_login(
    chat: ChatSite, visit: Visit, scripts: bool, path: str, fields: dict[str, str], error: str,
    asks_server: bool,
) -> None:  # fmt: skip
    visitor = await visit(chat.url, java_script_enabled=scripts)
    visitor.tolerates = REFUSED if asks_server or not scripts else ()
    await visitor.open(path)
    await visitor.fill(**fields)
    await visitor.submit()
    await expect(visitor.error).to_have_text(error)
    await expect(visitor.page.locator("#login")).to_have_value(fields["login"])
    if asks_server:
        await expect(visitor.page.locator("#password")).to_have_value("")


@pytest.mark.usefixtures("alice")
async def test_a_login_that_is_taken_is_complained_about_beside_the_field(
    chat: ChatSite, visit: Visit
) -> None:
    other = await visit(chat.url)
    other.tolerates = REFUSED
    await other.open("/signin")
    await other.fill(login="Alice", email="b@example.com", password=PASSWORD)
    await other.submit()
    await expect(other.error).to_have_text("User exists")
    login = other.page.get_by_label("Login")
    await expect(login).to_have_value("Alice")
    await expect(login).to_be_focused()
    await expect(login).to_have_attribute("aria-invalid", "true")
    await expect(login).to_have_accessible_description("User exists")
    await expect(other.page.get_by_label("E-mail")).to_have_value("b@example.com")
    await expect(other.page.locator("#password")).to_have_value("")
    # What the script complains about next is not put beside that field.
    await other.fill(login="bob", password="seven77")
    await other.submit()
    await expect(other.page.get_by_text(SHORT)).to_have_count(1)
    await expect(login).not_to_have_accessible_description(SHORT)
    # What the server refused can be put right in the same form.
    await other.fill(password=PASSWORD)
    await other.submit()
    await expect(other.page).to_have_title("Main Chat page")


async def test_signing_out_takes_every_tab_of_the_session_to_the_log_in_page(
    chat: ChatSite, visit: Visit, alice: Visitor
) -> None:
    other_tab = await alice.tab()
    elsewhere = await visit(chat.url)
    await elsewhere.log_in("alice")
    for tab in (other_tab, elsewhere):
        await tab.connected()
    cookies = await alice.context.cookies()

    await alice.sign_out()
    for tab in (alice, other_tab):
        await expect(tab.page).to_have_url(f"{tab.url}/login")
    assert await alice.session_cookies() == []

    await alice.context.add_cookies(cookies)  # type: ignore[arg-type]
    await alice.open()  # the old cookie is worth nothing
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await elsewhere.say("another session goes on")
    await expect(elsewhere.texts).to_have_text(["another session goes on"])


async def test_going_back_after_signing_out_shows_no_chat(alice: Visitor) -> None:
    await alice.say("between us")
    await expect(alice.texts).to_have_text(["between us"])
    await alice.sign_out()
    await expect(alice.page).to_have_url(f"{alice.url}/login")
    await alice.page.go_back()
    await expect(alice.page).to_have_title("Log in · Chat")
    await expect(alice.page.get_by_text("between us")).to_have_count(0)


async def test_the_button_of_a_form_is_busy_until_the_answer_comes(
    chat: ChatSite, visit: Visit
) -> None:
    visitor = await visit(chat.url)
    visitor.tolerates = REFUSED
    await visitor.context.add_init_script(
        """addEventListener("pagehide", () => {
          const button = document.querySelector("#submit")
          sessionStorage.busy = button.ariaBusy + " " + getComputedStyle(button).pointerEvents
        })"""
    )
    await visitor.open("/login")
    await visitor.fill(login="nobody", password="wrong password")
    await visitor.press("Log in")
    await expect(visitor.error).not_to_have_text("")
    assert await visitor.page.evaluate("sessionStorage.busy") == "true none"
    button = visitor.page.get_by_role("button", name="Log in")
    await expect(button).not_to_have_attribute("aria-busy", "true")


SHOWN = """addEventListener("submit", (event) => {
  const fields = event.target.querySelectorAll("[autocomplete$=-password]")
  sessionStorage.types = [...fields].map(({ type }) => type)
})"""


@pytest.mark.parametrize("path", ["/login", "/signin", "/account"])
async def test_a_password_can_be_seen_until_it_is_sent(
    chat: ChatSite, visit: Visit, path: str
) -> None:
    visitor = await visit(chat.url, "alice" if path == "/account" else "", script=SHOWN)
    visitor.tolerates = REFUSED
    await visitor.open(path)
    page = visitor.page
    form = page.locator("form:has([autocomplete$=-password])").first
    field = form.locator("[autocomplete$=-password]").first
    show = form.get_by_role("button", name="Show").first
    await assert_thumb_sized(show)
    label = await form.locator("label", has_text="assword").first.inner_text()
    await expect(show).to_have_accessible_description(label)
    await field.fill("my secret")
    await expect(field).to_have_attribute("type", "password")
    await expect(show).to_have_attribute("aria-pressed", "false")
    await show.focus()
    await page.keyboard.press("Enter")  # which sends no form
    await expect(field).to_have_attribute("type", "text")
    await expect(show).to_have_attribute("aria-pressed", "true")
    await expect(field).to_have_attribute("spellcheck", "false")  # that may ask a server
    await show.click()
    await expect(field).to_have_attribute("type", "password")
    await show.click()
    for other in await form.locator("[required]").all():
        await other.fill("my secret")
    await field.press("Enter")
    await expect(visitor.error).not_to_have_text("")
    types = await page.evaluate("sessionStorage.types")
    assert set(types.split(",")) == {"password"}


async def test_without_scripts_a_password_is_typed_once_and_no_button_is_there(
    chat: ChatSite, visit: Visit
) -> None:
    alice = await visit(chat.url, java_script_enabled=False)
    await alice.open("/signin")
    await expect(alice.page.locator("[type=password]")).to_have_count(1)
    await expect(alice.page.get_by_role("button")).to_have_text(["Create account"])
    await alice.fill(login="alice", email="a@b", password=PASSWORD)
    await alice.submit()
    await expect(alice.page).to_have_url(f"{chat.url}/")


async def test_password_managers_find_whose_password_it_is(alice: Visitor) -> None:
    def fields(form: Locator) -> Locator:
        return form.locator("[autocomplete=username], [autocomplete$=-password]")

    async def purposes(form: Locator) -> list[str]:
        purposes: list[str] = await fields(form).evaluate_all(
            "all => all.map((it) => [it.type, it.autocomplete, it.value].join(' '))"
        )
        return purposes

    await alice.open("/account")
    forms = alice.page.locator("form:has([type=password])")
    assert [await purposes(form) for form in await forms.all()] == [
        ["text username alice", "password current-password ", "password new-password "],
        ["text username alice", "password current-password "],
    ]
    await alice.context.clear_cookies()
    for path, purpose in (("/login", "current-password"), ("/signin", "new-password")):
        await alice.open(path)
        assert await purposes(alice.page.locator("form")) == [
            "text username ",
            f"password {purpose} ",
        ]
