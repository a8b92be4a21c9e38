"""`python -m docs.screenshots` makes the pictures in docs again: every page, in every look."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from bson import ObjectId
from PIL import Image, ImageDraw
from playwright.async_api import Browser, expect
from pymongo import AsyncMongoClient

from settings import MESSAGE_COLLECTION, ROOT, USER_COLLECTION
from storage.embedded import embedded_uri
from tests.support.browser import LARGE_FONT, Visitor, chromium
from tests.support.commands import done
from tests.support.people import registration
from tests.support.processes import Chat, running_chat

FOLDER = ROOT / "docs" / "screenshots"
ONLY_DEJAVU = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>{}</cachedir>
<include>/etc/fonts/conf.d</include></fontconfig>
"""


@dataclass(frozen=True)
class Talk:
    """What is said in a room; the first of the people looks at the pages."""

    people: tuple[str, ...]
    yesterday: list[tuple[str, str]]
    today: list[tuple[str, str]]
    draft: str
    search: str
    picture_with: str = ""  # the text beside which a picture is sent


ENGLISH = Talk(
    ("alice", "bob", "carol", "dave"),
    [
        ("alice", "Release day tomorrow. What is still open?"),
        ("bob", "Only the migration. I'd like to see it run once on a copy."),
        ("bob", "The script is here: https://git.example.com/team/chat/migrate.py"),
        ("alice", "Thanks, reading it now."),
    ],
    [
        ("carol", "Good morning! The new release is on staging, could somebody have a look?"),
        ("bob", "On it. The log-in page is up, history is there, my two tabs agree."),
        ("carol", "Same here. I pulled the cable in the middle of a sentence:"),
        ("carol", "it came back by itself, and nothing was missing or shown twice."),
        ("bob", "The last hour on staging:"),
        ("alice", "Lovely. And the database?"),
        (
            "bob",
            "Embedded, so it was just `make run`:\n```\n$ make run\nChat at http://127.0.0.1:8080\n```",
        ),
        ("carol", "@alice then let's ship it after lunch?"),
    ],
    "After lunch it is",
    "the",
    "The last hour on staging:",
)  # fmt: skip
ARABIC = Talk(
    ("ليلى", "عمر", "سلمى"),
    [("عمر", "غدًا موعد الإصدار. ما الذي بقي؟"), ("ليلى", "الترحيل فقط، سأجربه على نسخة.")],
    [
        ("سلمى", "صباح الخير! الإصدار الجديد على خادم التجربة، هل يلقي أحدكم نظرة؟"),
        ("عمر", "فتحته. الرابط هنا: https://git.example.com/team/chat/migrate.py"),
        ("عمر", "شغّلته هكذا: `make run` ثم:\n```\n$ make run\nChat at http://127.0.0.1:8080\n```"),
        ("ليلى", "> عمر #3: فتحته.\nممتاز!"),
        ("سلمى", "@ليلى ننشره **بعد الغداء**؟ OK؟"),
    ],
    "بعد الغداء إذن.",
    "الإصدار",
)
CHINESE = Talk(
    ("王小明", "李华", "さくら"),
    [("李华", "明天发布。还有什么没做完？"), ("王小明", "只剩下迁移，我想先在副本上试一次。")],
    [
        ("さくら", "おはようございます！新しいリリースをステージングに置きました。"),
        (
            "李华",
            "我们看过了，登录页正常，历史记录也在：https://git.example.com/team/chat/migrate.py",
        ),
        ("李华", "命令是 `make run`：\n```\n$ make run\nChat at http://127.0.0.1:8080\n```"),
        ("王小明", "> 李华 #3: 我们看过了\n好的，谢谢。"),
        ("さくら", "@王小明 那我们**午饭后**部署吧？"),
    ],
    "好，午饭后部署",
    "部署",
)


@dataclass(frozen=True)
class Look:
    """How pages are looked at."""

    talk: Talk = ENGLISH
    width: int = 1280
    height: int = 800
    script: str = ""
    only_dejavu: bool = False
    options: dict[str, Any] = field(default_factory=dict)  # of Playwright's contexts


LOOKS = {
    "light": Look(),
    "dark": Look(options={"color_scheme": "dark"}),
    "phone": Look(width=360, height=740, options={"device_scale_factor": 2}),
    "large-text": Look(width=390, height=740, script=LARGE_FONT),
    "no-scripts": Look(width=800, height=740, options={"java_script_enabled": False}),
    "dejavu": Look(width=800, height=740, only_dejavu=True),
    "arabic": Look(ARABIC, 390, 740, options={"locale": "ar"}),
    "chinese": Look(CHINESE, 800, 740, options={"locale": "zh-CN"}),
}


def chart() -> bytes:
    """Return a PNG of how fast a server has answered, drawn at four times its size to be smooth."""
    width, height, scale = 720, 240, 4
    picture = Image.new("RGB", (width * scale, height * scale), "#f6f8fc")
    draw = ImageDraw.Draw(picture)
    for y in range(40, height, 50):
        draw.line([(0, y * scale), (width * scale, y * scale)], fill="#dfe5f0", width=scale)
    heights = [96, 92, 104, 98, 88, 120, 101, 90, 86, 140, 112, 94, 84, 80, 88, 76, 72, 78, 70]
    step = width / (len(heights) - 1)
    points = [(n * step * scale, (height - 10 - y) * scale) for n, y in enumerate(heights)]
    draw.polygon([(0, height * scale), *points, (width * scale, height * scale)], fill="#d6e2fb")
    draw.line(points, fill="#2f55d4", width=4 * scale, joint="curve")
    png = BytesIO()
    picture.resize((width, height), Image.Resampling.LANCZOS).save(png, "PNG")
    return png.getvalue()


async def write_yesterday(chat: Chat, talk: Talk) -> None:
    """Put what was said yesterday into the log, as another process would."""
    client = AsyncMongoClient[dict[str, Any]](embedded_uri(chat.folder / "data"))
    database = client["chat"]
    users = {user["login"]: user async for user in database[USER_COLLECTION].find({})}
    began = (datetime.now(UTC) - timedelta(days=1)).replace(hour=15, minute=2, second=11)
    for seq, (login, msg) in enumerate(talk.yesterday, 1):
        user_id = str(users[login]["_id"])
        time = began + timedelta(seconds=47 * seq)
        entry = {"seq": seq, "key": f"{user_id}:{ObjectId()}", "user": login, "user_id": user_id}
        await database[MESSAGE_COLLECTION].insert_one({**entry, "msg": msg, "time": time})
    await client.close()


async def invitation(chat: Chat) -> str:
    """Return the token of an invitation."""
    return (await done(chat, "invite", "--uses", "3")).strip().partition("=")[2]


@asynccontextmanager
async def talking(browser: Browser, chat: Chat, talk: Talk) -> AsyncIterator[dict[str, Visitor]]:
    """Let people talk; they stay in the room."""
    people = {login: await Visitor.arrive(browser, chat.url) for login in talk.people}
    first, *others = talk.people
    await people[first].sign_up(first)
    token = await invitation(chat)
    for login in others:
        await people[login].sign_up(login, invitation=token)
    await write_yesterday(chat, talk)
    for person in people.values():
        await person.open()
        await expect(person.texts).to_have_count(len(talk.yesterday))
    for number, (login, text) in enumerate(talk.today, len(talk.yesterday) + 1):
        if text == talk.picture_with:
            picture: Any = {"name": "staging.png", "mimeType": "image/png", "buffer": chart()}
            await people[login].page.locator("[type=file]").set_input_files([picture])
            await expect(people[login].page.locator(".tray")).to_be_visible()
        await people[login].say(text)
        for person in people.values():
            await expect(person.texts).to_have_count(number)
    yield people
    for person in people.values():
        await person.context.close()


async def photograph(
    chat: Chat, name: str, look: Look, people: dict[str, Visitor], token: str
) -> None:
    """Take a picture of every page in one look."""
    with tempfile.TemporaryDirectory() as folder:
        async with chromium(**(only_dejavu(folder) if look.only_dejavu else {})) as own:
            size = {"width": look.width, "height": look.height}
            stranger = await Visitor.arrive(own, chat.url, viewport=size, **look.options)
            await stranger.context.add_init_script(look.script)
            await photograph_outside(stranger, name, look, token)
            await stranger.context.close()
            reader = await Visitor.arrive(own, chat.url, viewport=size, **look.options)
            await reader.context.add_init_script(look.script)
            login, other, *_ = look.talk.people
            cookies = await people[login].context.cookies()
            await reader.context.add_cookies(cookies)  # type: ignore[arg-type]
            await photograph_room(reader, name, look, people[other])
            await photograph_pages(reader, name, look)
            await reader.context.close()


def only_dejavu(folder: str) -> dict[str, str]:
    """Return an environment in which there are no other fonts; `folder` is for its settings."""
    path = Path(folder, "fonts.conf")
    path.write_text(ONLY_DEJAVU.format(folder))
    return {"FONTCONFIG_FILE": str(path)}


async def take(visitor: Visitor, page: str, look: str) -> None:
    """Take a picture; Playwright makes the folder."""
    await visitor.page.screenshot(path=FOLDER / f"{page}-{look}.png", animations="disabled")


async def photograph_outside(visitor: Visitor, name: str, look: Look, token: str) -> None:
    """Take pictures of what a stranger sees, who has got an invitation."""
    for page, path in (("login", "/login"), ("create", f"/signin?invitation={token}")):
        await visitor.open(path)
        await take(visitor, page, name)
    await visitor.fill(**registration(look.talk.people[1], email="home@example.com"))
    await visitor.submit()
    await expect(visitor.error).to_have_text("User exists")
    await take(visitor, "error", name)


async def photograph_room(visitor: Visitor, name: str, look: Look, other: Visitor) -> None:
    """Take a picture of the room while somebody types."""
    await visitor.open("/?newest")
    await visitor.open()  # nothing is new any more
    await visitor.field.fill(look.talk.draft)
    if look.options.get("java_script_enabled", True):
        await visitor.connected()
        await other.field.press_sequentially("I will tell them", delay=250)
        await expect(visitor.page.locator("#room-status")).to_contain_text("is typing")
        await other.field.fill("")
    await take(visitor, "chat", name)


async def photograph_pages(visitor: Visitor, name: str, look: Look) -> None:
    """Take pictures of the other pages."""
    for page, path in (
        ("history", "/?around=2"),
        ("search", f"/search?q={look.talk.search}"),
        ("account", "/account"),
        ("message", "/message/4"),
        ("people", "/people"),
        ("person", f"/person?login={look.talk.people[1]}"),
        ("sign-out", "/signout"),
        ("not-found", "/nothing-here"),
    ):
        await visitor.open(path)
        await take(visitor, page, name)
    await visitor.open("/people")
    await visitor.press("Make an invitation")
    await expect(visitor.page.get_by_label("Link")).to_be_visible()
    await take(visitor, "link", name)
    await visitor.open("/people")
    await visitor.page.get_by_role("button", name="Take back").last.click()


async def main() -> None:
    """Run a chat for each talk, and take the pictures."""
    for talk in (ENGLISH, ARABIC, CHINESE):
        async with (
            running_chat(MESSAGES_PER_SECOND=0, MODERATORS="", REGISTRATION="invite") as chat,
            chromium() as browser,
            talking(browser, chat, talk) as people,
        ):
            token = await invitation(chat)
            for name, look in LOOKS.items():
                if look.talk is talk:
                    await photograph(chat, name, look, people, token)
    print(FOLDER)


if __name__ == "__main__":
    asyncio.run(main())
