"""`python -m tests.screenshots` remakes the pictures in docs: every page, in every look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from playwright.async_api import Browser, expect
from pymongo import AsyncMongoClient

from embedded import embedded_uri
from settings import MESSAGE_COLLECTION, ROOT, USER_COLLECTION
from tests.support.browser import Visitor, chromium
from tests.support.processes import Chat, running_chat

FOLDER = ROOT / "docs" / "screenshots"
PEOPLE = ("alice", "bob", "carol", "dave")

YESTERDAY = [
    ("alice", "Release day tomorrow. What is still open?"),
    ("bob", "Only the migration. I'd like to see it run once on a copy."),
    ("bob", "The script is here: https://git.example.com/team/chat/migrate.py"),
    ("alice", "Thanks, reading it now."),
]
TODAY = [
    ("carol", "Good morning! The new release is on staging, could somebody have a look?"),
    ("bob", "On it. The log-in page is up, history is there, my two tabs agree with each other."),
    ("carol", "Same here. I pulled the cable in the middle of a sentence:"),
    ("carol", "it came back by itself, and nothing was missing or shown twice."),
    ("alice", "Lovely. And the database?"),
    (
        "bob",
        "Embedded, so it was just `make run`:\n```\n$ make run\nChat at http://127.0.0.1:8080\n```",
    ),
    ("carol", "@alice then let's ship it after lunch?"),
]

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
}


async def write_yesterday(chat: Chat) -> None:
    """Put the talk of yesterday into the log, as another process would."""
    client = AsyncMongoClient[dict[str, Any]](embedded_uri(chat.folder / "data"))
    database = client["chat"]
    users = {user["login"]: user async for user in database[USER_COLLECTION].find({})}
    began = (datetime.now(UTC) - timedelta(days=1)).replace(hour=15, minute=2, second=11)
    for seq, (login, msg) in enumerate(YESTERDAY, 1):
        user_id = str(users[login]["_id"])
        time = began + timedelta(seconds=47 * seq)
        entry = {"seq": seq, "key": f"{user_id}:{ObjectId()}", "user": login, "user_id": user_id}
        await database[MESSAGE_COLLECTION].insert_one({**entry, "msg": msg, "time": time})
    await client.close()


@asynccontextmanager
async def talk(browser: Browser, url: str, chat: Chat) -> AsyncIterator[dict[str, Visitor]]:
    """Let four people talk."""
    people = {login: await Visitor.arrive(browser, url, **LOOKS["light"]) for login in PEOPLE}
    for login, person in people.items():
        await person.sign_up(login)
    await write_yesterday(chat)
    for person in people.values():
        await person.open()
        await expect(person.texts).to_have_count(len(YESTERDAY))
    for number, (login, text) in enumerate(TODAY, len(YESTERDAY) + 1):
        await people[login].say(text)
        for person in people.values():
            await expect(person.texts).to_have_count(number)
    yield people
    for person in people.values():
        await person.context.close()


async def photograph(browser: Browser, chat: Chat) -> None:
    """Take a picture of every page in every look."""
    async with talk(browser, chat.url, chat) as people:
        cookies = await people["alice"].context.cookies()
        for look, options in LOOKS.items():
            stranger = await Visitor.arrive(browser, chat.url, **options)
            alice = await Visitor.arrive(browser, chat.url, **options)
            await alice.context.add_cookies(cookies)  # type: ignore[arg-type]

            async def take(person: Visitor, name: str, look: str = look) -> None:
                await person.page.screenshot(path=FOLDER / f"{name}-{look}.png")

            for name, path in (("login", "/login"), ("create", "/signin")):
                await stranger.open(path)
                await take(stranger, name)
            await stranger.fill(login="bob", email="bob@home.example", password="a fine password")
            await stranger.fill(password2="a fine password")
            await stranger.submit()
            await expect(stranger.error).to_have_text("User exists")
            await take(stranger, "error")
            await alice.open()
            await alice.open()  # nothing is new to her any more
            await alice.connected()
            await alice.field.fill("After lunch it is")
            await people["bob"].field.press_sequentially("I will tell them", delay=250)
            await expect(alice.page.get_by_text("bob is typing")).to_be_visible()
            await take(alice, "chat")
            for name, path in (
                ("search", "/search?q=the"),
                ("account", "/account"),
                ("message", "/message/9"),
                ("not-found", "/nothing-here"),
            ):
                await alice.open(path)
                await take(alice, name)
            await alice.context.close()
            await stranger.context.close()


async def main() -> None:
    """Run a chat and a browser, and take the pictures; Playwright makes the folder."""
    async with running_chat(MESSAGES_PER_SECOND=0) as chat, chromium() as browser:
        await photograph(browser, chat)
    print(FOLDER)


if __name__ == "__main__":
    asyncio.run(main())
