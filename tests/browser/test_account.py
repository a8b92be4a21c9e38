"""The account's page in Chromium: by keyboard alone, on a phone, and without scripts."""

import pytest
from playwright.async_api import expect

from tests.support.browser import REFUSED, Visit, Visitor, assert_thumb_sized
from tests.support.people import NEW_PASSWORD, PASSWORD
from tests.support.site import ChatSite


async def test_the_password_is_changed_by_keyboard_alone(alice: Visitor) -> None:
    keyboard, page = alice.page.keyboard, alice.page
    menu = page.get_by_role("button", name="Menu of alice")
    for _ in range(10):
        await keyboard.press("Shift+Tab")
        if await menu.evaluate("button => button === document.activeElement"):
            break
    await keyboard.press("Enter")
    await keyboard.press("Tab")
    await expect(page.get_by_role("link", name="alice Account")).to_be_focused()
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Account of alice")).to_be_visible()
    await page.wait_for_load_state()
    for _ in range(10):
        await keyboard.press("Tab")
        if await page.locator("#old").evaluate("field => field === document.activeElement"):
            break
    alice.tolerates = REFUSED
    await keyboard.type(PASSWORD)
    await keyboard.press("Tab")  # to the button that shows it
    await keyboard.press("Tab")
    await keyboard.type("short")
    await keyboard.press("Enter")
    await expect(page.locator("#password")).to_be_focused()
    await expect(alice.error).to_have_text("Password must have at least 8 characters")
    await page.locator("#old").focus()
    await keyboard.type(PASSWORD)
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await keyboard.type(NEW_PASSWORD)
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Your password has been changed")


@pytest.mark.parametrize("options", [{}, {"java_script_enabled": False}], ids=["live", "plain"])
async def test_a_session_is_ended_from_a_narrow_phone(
    chat: ChatSite, visit: Visit, alice: Visitor, options: dict[str, bool]
) -> None:
    phone = await visit(
        chat.url, viewport={"width": 320, "height": 640}, user_agent="M" * 200, **options
    )
    await phone.log_in("alice")
    await expect(phone.page).to_have_title("Main Chat page")
    await phone.open("/account")
    sessions = phone.page.get_by_role("region", name="Where you are signed in")
    await expect(sessions.get_by_role("listitem")).to_have_count(2)
    assert not await phone.is_too_wide()
    for button in await phone.page.get_by_role("button").all():
        await assert_thumb_sized(button)
    await sessions.get_by_role("button", description="Chrome on Linux").click()
    await expect(phone.page.get_by_role("status")).to_have_text("The session has ended.")
    await expect(sessions.get_by_role("listitem")).to_have_count(1)
    await expect(alice.page).to_have_url(f"{chat.url}/login")
