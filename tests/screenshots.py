"""`python -m tests.screenshots` remakes the README's picture; with a folder, one of every page."""

import asyncio
import sys
from pathlib import Path

from playwright.async_api import Browser, expect

from settings import ROOT
from tests.browser import Visitor, chromium
from tests.process import running_chat

README_PICTURE = ROOT / "docs" / "chat.png"

TALK = [
    ("alice", "Good morning! The new release is on staging, could somebody have a look?"),
    ("bob", "On it. The log-in page is up, history is there, my two tabs agree with each other."),
    ("carol", "Same here. I pulled the cable in the middle of a sentence:"),
    ("carol", "it came back by itself, and nothing was missing or shown twice."),
    ("alice", "Lovely. And the database?"),
    ("bob", "Embedded, so it was just\n    make run\nand it answered on port 8080."),
    ("alice", "Then let's ship it after lunch."),
]

LOOKS = {
    "light": {"viewport": {"width": 1000, "height": 640}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1000, "height": 640}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
}


async def talk(browser: Browser, url: str) -> Visitor:
    """Let three people talk, and return the one who came last."""
    people: dict[str, Visitor] = {}
    for login in ("alice", "carol", "bob"):
        person = people[login] = await Visitor.arrive(browser, url, **LOOKS["light"])
        await person.sign_up(login)
        if login == "bob":
            await people["alice"].say(TALK[0][1])
            await expect(people["carol"].texts).to_have_count(1)
        await person.open()
        await expect(person.notices("Connection to server started")).to_have_count(1)
    for number, (login, text) in enumerate(TALK[1:], 2):
        await people[login].say(text)
        for person in people.values():
            await expect(person.texts).to_have_count(number)
    return people["bob"]


async def photograph_readme(browser: Browser, url: str) -> None:
    """Remake docs/chat.png."""
    bob = await talk(browser, url)
    await bob.page.screenshot(path=README_PICTURE)
    print(README_PICTURE)


async def photograph_pages(browser: Browser, url: str, folder: Path) -> None:
    """Take a picture of every page in every look."""
    for look, options in LOOKS.items():
        person = await Visitor.arrive(browser, url, **options)
        for name, path in [("login", "/login"), ("create", "/signin")]:
            await person.open(path)
            await person.page.screenshot(path=folder / f"{name}-{look}.png")
        await person.fill(
            login="bob", email="bob@home.example", password="a fine password", password2="another"
        )
        await person.submit()
        await expect(person.error).not_to_have_text("")
        await person.page.screenshot(path=folder / f"error-by-script-{look}.png")
        await person.fill(password2="a fine password")
        await person.submit()
        await expect(person.error).to_have_text("User exists")
        await person.page.screenshot(path=folder / f"error-{look}.png")
        await person.sign_up(f"dora-{look}")
        await person.open("/nothing-here")
        await person.page.screenshot(path=folder / f"not-found-{look}.png")
        await person.open()
        await expect(person.notices("Connection to server started")).to_have_count(1)
        await person.page.screenshot(path=folder / f"chat-{look}.png")
        await person.say("x" * 2001)
        await expect(person.error).not_to_have_text("")
        await person.page.screenshot(path=folder / f"chat-error-{look}.png")
        await person.context.close()
    print(folder)


async def photograph(folder: Path | None) -> None:
    """Run a chat and a browser, and take the pictures."""
    async with running_chat() as chat, chromium() as browser:
        await photograph_readme(browser, chat.url)
        if folder:
            await photograph_pages(browser, chat.url, folder)


def main() -> None:
    """Take the pictures the command line asks for; Playwright makes the folders."""
    asyncio.run(photograph(Path(sys.argv[1]) if len(sys.argv) > 1 else None))


if __name__ == "__main__":
    main()
