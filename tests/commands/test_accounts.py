"""The operator's commands for accounts, beside a running chat and without one."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import aiohttp
import pytest

from server.relay import RELAY
from settings import PROGRAM, ROOT, Settings, StartError
from storage.embedded import embedded_beside
from tests.support.accounts import signed_in
from tests.support.commands import database_of, done, ended, refusal, run, start_command
from tests.support.house import OpenHouse
from tests.support.imitation import Imitation
from tests.support.people import NEW_PASSWORD, PASSWORD, registration
from tests.support.processes import Chat, running_chat
from tests.support.redis_server import RedisServer
from tests.support.sockets import connect
from tests.support.waiting import until


@pytest.fixture(params=["embedded", "MongoDB"])
async def chat(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Chat]:
    """A running chat for the invited, on either kind of database."""
    database = database_of(settings) if request.param == "MongoDB" else {"MONGO_HOST": ""}
    async with running_chat(REGISTRATION="invite", MODERATORS="", **database) as chat:
        yield chat


async def post(url: str, form: dict[str, str]) -> int:
    """Return the status of a form posted by a new browser."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        session.post(url, data=form, allow_redirects=False) as response,
    ):
        return response.status


def day() -> str:
    """Return today as the commands write it."""
    return time.strftime("%Y-%m-%d", time.gmtime())


async def test_accounts_are_managed_beside_a_running_chat(chat: Chat) -> None:
    async with signed_in(chat.url, "alice"):
        link = await done(chat, "invite", "--uses", "1")
        assert re.fullmatch(rf"{chat.url}/signin\?invitation=[\w-]+\n", link)
        bob = registration("bob", invitation=link.strip().partition("=")[2])
        assert await post(f"{chat.url}/signin", bob) == 303
        assert await post(f"{chat.url}/signin", bob | {"login": "eve"}) == 403
        assert await done(chat, "users") == (
            f"alice\talice@example.com\tmoderator\t{day()}\nbob\tbob@example.com\tmember\t{day()}\n"
        )
        assert await done(chat, "ban", "bob") == "bob is banned.\n"
        assert await post(f"{chat.url}/login", bob) == 403
        assert "\tmember, banned\t" in await done(chat, "users")
        assert "bob is banned" in await refusal(chat, "password", "bob")
        assert await done(chat, "unban", "bob@example.com") == "bob can log in again.\n"
        link = await done(chat, "password", "bob")
        new = {"password": NEW_PASSWORD, "password2": NEW_PASSWORD}
        form = new | {"link": link.strip().partition("=")[2]}
        assert await post(f"{chat.url}/password", form) == 303
        assert await post(f"{chat.url}/login", {"login": "bob", "password": PASSWORD}) == 401
        assert await post(f"{chat.url}/login", {"login": "bob", "password": NEW_PASSWORD}) == 303


async def test_commands_work_while_the_chat_is_stopped(chat: Chat) -> None:
    async with signed_in(chat.url, "alice"):
        pass
    await chat.terminate()
    assert (await done(chat, "users")).startswith("alice\t")
    assert await done(chat, "ban", "ALICE") == "alice is banned.\n"
    await chat.start()
    assert await post(f"{chat.url}/login", {"login": "alice", "password": PASSWORD}) == 403


@pytest.mark.parametrize("is_running", [True, False])
async def test_commands_wait_for_one_another(is_running: bool) -> None:
    async with running_chat(MONGO_HOST="", REGISTRATION="invite") as chat:
        async with signed_in(chat.url, "alice"):
            pass
        if not is_running:
            await chat.terminate()
        commands = [("users",), ("ban", "alice"), *[("invite",)] * 5]
        answers = await asyncio.gather(*(run(chat, *words) for words in commands))
        assert [answer.status for answer in answers] == [0] * len(commands), answers


async def test_a_command_says_what_it_waits_for_and_for_no_longer_than_it_may(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("storage.embedded.WAITS_SILENTLY", 0)
    monkeypatch.setattr("storage.embedded.COMMAND_PATIENCE", 0.2)
    async with embedded_beside(folder, is_new=True) as is_alone:
        assert is_alone
        with pytest.raises(StartError, match="Another command is still using"):
            async with embedded_beside(folder):
                pass
    assert caplog.messages == [f"Waiting until another command on {folder} has ended."]
    async with embedded_beside(folder) as is_alone:
        assert is_alone


async def test_whoever_bans_the_last_moderator_is_told_so(chat: Chat) -> None:
    async with signed_in(chat.url, "alice"):
        pass
    status, output, notes = await run(chat, "ban", "alice")
    assert (status, output) == (0, "alice is banned.\n")
    assert "Nobody moderates the room now" in notes
    assert (await run(chat, "unban", "alice")).notes == ""
    link = await done(chat, "invite")
    bob = registration("bob", invitation=link.strip().partition("=")[2])
    assert await post(f"{chat.url}/signin", bob) == 303
    chat.environment["MODERATORS"] = "bob"
    assert (await run(chat, "ban", "alice")).notes == ""


async def test_a_ban_by_command_closes_sockets(chat: Chat) -> None:
    async with signed_in(chat.url, "alice") as alice:
        socket = await connect(alice)
        await done(chat, "ban", "alice")
        assert await socket.close_code() == 4401


async def test_with_redis_a_ban_by_command_closes_sockets_at_once(
    settings: Settings,
    redis: RedisServer,
    open_house: OpenHouse,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auth.sessions.NOTICE_EVERY", 3600)  # so that only Redis can tell
    redis.start()
    house = await open_house(REDIS_URL=redis.url)
    await until(lambda: house.app[RELAY].is_connected)
    socket = await (await house.sign_in("alice")).connect()
    command = Chat(
        folder,
        **database_of(settings),
        SECRET_KEY=settings.SECRET_KEY[0],
        REDIS_URL=redis.url,
    )
    await done(command, "ban", "alice")
    assert await socket.close_code() == 4401


async def test_a_link_is_for_the_address_that_others_use(chat: Chat) -> None:
    assert "set PUBLIC_ORIGINS" in (await run(chat, "invite")).notes
    chat.environment["PUBLIC_ORIGINS"] = "https://chat.example.com"
    _, output, notes = await run(chat, "invite", "--days", "1")
    assert output.startswith("https://chat.example.com/signin?invitation=")
    assert notes == ""
    chat.environment |= {"PUBLIC_ORIGINS": "", "HOST": "0.0.0.0"}
    assert (await refusal(chat, "invite")).startswith("Set PUBLIC_ORIGINS")


async def test_an_invitation_says_whether_anybody_needs_it(chat: Chat) -> None:
    chat.environment["REGISTRATION"] = "open"
    assert "Nobody needs it" in (await run(chat, "invite")).notes
    chat.environment["REGISTRATION"] = "closed"
    assert await refusal(chat, "invite") == "Nobody can register: set REGISTRATION=invite."


async def test_a_wrong_login_is_an_error(chat: Chat) -> None:
    for command in ("ban", "unban", "password"):
        assert "'\\udcff'" in await refusal(chat, command, "\udcff")
        assert await refusal(chat, command, "nobody\n") == (
            "Nobody has the login or e-mail address 'nobody\\n'."
        )


@pytest.mark.parametrize(
    "words",
    [("start",), ("invite", "bob"), ("invite", "--uses", "0"), ("invite", "--days", "x"),
     ("invite", "--uses", "0000000019999"),
     ("invite", "--use", "3"), ("invite", "--day", "3"), ("export", "--without", "-"),
     ("settings", "--mark"), ("ban",), ("export",), ("users", "--al"), ("--port", "80")],
    ids=" ".join,
)  # fmt: skip
async def test_what_makes_no_sense_is_an_error_and_starts_nothing(
    folder: Path, words: tuple[str, ...]
) -> None:
    status, output, notes = await run(Chat(folder), *words)
    assert (status, output) == (2, "")
    assert notes.startswith(f"usage: {PROGRAM} ")
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("redirected", "status", "notes"),
    [
        (">/dev/full", 1, "The answer can't be written: No space left on device.\n"),
        (">&-", 0, ""),
        (">/dev/null 2>&-", 0, ""),
    ],
)
async def test_wherever_the_answer_goes_there_is_no_traceback(
    chat: Chat, redirected: str, status: int, notes: str
) -> None:
    async with signed_in(chat.url, "alice"):
        pass
    shell = await asyncio.create_subprocess_shell(
        f"exec {sys.executable} {ROOT / 'app.py'} users {redirected}",
        cwd=chat.folder,
        env=chat.environment,
        stderr=asyncio.subprocess.PIPE,
    )
    assert (await shell.communicate())[1].decode() == notes
    assert shell.returncode == status


async def test_what_is_said_besides_comes_after_the_answer_where_both_go(chat: Chat) -> None:
    chat.environment |= {"REGISTRATION": "invite"}
    for command, sentence, setting in (
        ("invite", "The link works on this machine only; ", {}),
        ("check", "Found wrong: 1.", {"FILE_SIZE_LIMIT": "x"}),
    ):
        chat.environment |= setting
        process = await start_command(chat, command, stderr=asyncio.subprocess.STDOUT)
        *before, last = (await ended(process)).output.splitlines()
        assert before
        assert last.startswith(sentence)


async def test_help_lists_the_commands(folder: Path) -> None:
    text = await done(Chat(folder), "--help")
    for command in ("invite", "users", "ban", "unban", "password", "check", "export", "import"):
        assert re.search(rf"^    {command} ", text, re.MULTILINE)


@pytest.mark.parametrize("command", [("users",), ("ban", "x"), ("export", "file"), ("invite",)])
async def test_without_a_room_a_command_says_so_and_makes_none(
    folder: Path, command: tuple[str, ...], settings: Settings
) -> None:
    assert "There is no chat's data in DATA_DIR=" in await refusal(
        Chat(folder, MONGO_HOST=""), *command
    )
    chat = Chat(folder, **database_of(settings))
    assert "There is no chat's data in the database" in await refusal(chat, *command)
    assert os.listdir(folder) == []


async def test_without_its_database_a_command_says_so(folder: Path) -> None:
    chat = Chat(folder, MONGO_HOST="mongodb://127.0.0.1:1")
    for command in (("users",), ("ban", "x"), ("export", "file")):
        assert (await refusal(chat, *command)).startswith("The database is away")


@pytest.mark.parametrize(
    ("user", "is_running", "is_refused"),
    [(12345, True, True), (12345, False, True), (0, True, False), (0, False, True)],
)
async def test_a_folder_of_somebody_else_is_only_used_by_root_beside_its_chat(
    folder: Path, user: int, is_running: bool, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_chat(MONGO_HOST="") as chat:
        if not is_running:
            await chat.terminate()
        data_dir = chat.folder / "data"
        owner = data_dir.stat().st_uid
        monkeypatch.setattr("storage.embedded.os.geteuid", lambda: user)
        monkeypatch.setattr("storage.embedded._owner", lambda data_dir: owner + 1)
        refused = pytest.raises(StartError, match="belongs to another user")
        with refused if is_refused else nullcontext():
            async with embedded_beside(data_dir) as is_alone:
                assert not is_alone


async def test_a_command_says_why_the_database_cannot_be_used(
    folder: Path, imitation: Imitation
) -> None:
    refused = {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "s3cret"}
    imitation.answers["saslStart"] = lambda body: refused
    address = imitation.address.replace("://", "://chat:s3cret@")
    sentence = await refusal(Chat(folder, MONGO_HOST=address), "users")
    assert sentence.startswith("The database fails: AuthenticationFailed, code 18: see that the")
    address = address.replace("replicaSet=rs", "replicaSet=s3cret")
    sentence = await refusal(Chat(folder, MONGO_HOST=address), "users")
    assert sentence.startswith("The database is away: ServerSelectionTimeoutError: see that repl")
    address += "&retryWrites=s3cret"
    sentence = await refusal(Chat(folder, MONGO_HOST=address), "users")
    assert sentence.startswith("retryWrites in MONGO_HOST is not valid: see https://")
