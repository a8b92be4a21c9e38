"""No statement takes longer because messages, changes, accounts or files have become many.

The embedded database runs one statement at a time, so that a slow one holds up everybody. Time on a
busy machine proves little; so this test counts the operations of SQLite's virtual machine. It does
not see the work inside of the text index, but that which the index causes for each match.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nx_27017.server import handle_client

from auth.sessions import SESSIONS
from files.store import FILES, walk
from files.usage import USAGE
from search.finder import EMBEDDED
from settings import FILE_COLLECTION, MESSAGE_COLLECTION, SESSION_COLLECTION
from storage.address import OURS
from storage.embedded import embedded_uri
from storage.embedded_handler import AtomicHandler
from tests.support.accounts import PASSWORD_CHANGE, delete_account, finish_departures
from tests.support.house import House, OpenHouse
from tests.support.long_log import fill, fill_with_files, newest_after
from tests.support.pages import HistoryPage
from tests.support.people import NEW_PASSWORD, Person
from tests.support.stored_files import add_for, content_of
from tests.support.waiting import START_PATIENCE, until

FEW, MANY = 1_000, 100_000  # messages, accounts and sessions; changes are twice as many
FILES_EVERY = 10  # messages there is a file
EVERY = 100  # operations between two counts
GROWTH = 2  # times; one that reads the whole of a collection takes a hundred times as many
NAME = "growth"
FIRST_NONCE = "first"
SCAN = {"msg": "nobody has said this"}  # not a statement of the chat, but one that is found slower
COMMANDS = {"find", "insert", "update", "delete", "createIndexes"}  # others read no collection
SHAPE = ("filter", "sort", "updates", "deletes", "indexes")

Steps = dict[str, int]  # by statement: the most operations it has taken, in hundreds


class CountingHandler(AtomicHandler):
    """The embedded server's handler, which counts what each statement makes SQLite do."""

    def __init__(self, folder: str) -> None:
        """Set up."""
        super().__init__(data_dir=folder)
        self.steps: Steps = {}

    def handle_command(self, message: Any) -> Any:
        """Handle a message, as the server calls it."""
        return self._count(super().handle_command, message)

    def handle_insert(self, message: Any) -> Any:
        """Handle an insert, or another message with several documents."""
        return self._count(super().handle_insert, message)

    def _count(self, handle: Callable[[Any], Any], message: Any) -> Any:
        steps = 0

        def tick() -> None:
            nonlocal steps
            steps += 1

        database = self.get_database(NAME).db
        with self._lock_for(NAME):  # nothing else may run meanwhile
            database.set_progress_handler(tick, EVERY)
            try:
                return handle(message)
            finally:
                database.set_progress_handler(None, 0)
                if statement := statement_in(message):
                    self.steps[statement] = max(steps, self.steps.get(statement, 0))


def statement_in(message: Any) -> str:
    """Return the statement in a message, without its values; "" if it has none."""
    parts = {name: value for _, part in message["sections"] for name, value in part.items()}
    command, collection = next(iter(parts.items()))
    shape = {name: parts[name] for name in SHAPE if name in parts}
    return f"{command} {collection} {without_values(shape)}" if command in COMMANDS else ""


def without_values(value: Any) -> Any:
    """Return the names in a document, at every depth."""
    if isinstance(value, dict):
        return {name: without_values(inner) for name, inner in value.items()}
    return without_values(value[0]) if isinstance(value, list) and value else ...


@asynccontextmanager
async def counting_server() -> AsyncIterator[tuple[CountingHandler, Path]]:
    """Run an embedded server in this process; return its handler and its folder."""
    with tempfile.TemporaryDirectory(prefix="chat") as folder:
        handler = CountingHandler(folder)
        server = await asyncio.start_unix_server(
            lambda reader, writer: handle_client(reader, writer, handler), f"{folder}/database.sock"
        )
        yield handler, Path(folder)
        server.close()
        handler.close_all()


async def use_everything(house: House, alice: Person, count: int) -> None:
    """Make the chat send each of its statements, some of them only at its end."""
    bob, carol = await house.sign_in("bob"), await house.sign_in("carol")
    for path in ("/", "/?before=300", "/?around=300", "/?after=300", "/account", "/message/1"):
        await alice.page(path)
    newest = newest_after(count).start + 5  # a few messages after all the changes
    for path in (f"/?before={newest}", f"/?around={newest}", f"/?after={count}"):
        assert HistoryPage(await alice.page(path)).lines[-1].seq >= newest - 1
    for query in (
        "always", "often", "formerly", "rarely", "never", "always formerly rarely", "always_always",
    ):  # fmt: skip
        await alice.page(f"/search?q={query}")
        await alice.page(f"/search?q={query}&before=600")

    socket = await alice.connect()
    await socket.say("the first", nonce=FIRST_NONCE)  # once more
    assert (await socket.next("message"))["seq"] == 1
    await use_files(house, alice)
    own = await (await bob.connect()).said("mine")
    await bob.post(f"/message/{own}", {"action": "edit", "msg": "still mine"})
    await bob.post(f"/message/{own}", {"action": "delete"})
    downloaded = await alice.get("/account/messages.jsonl")
    await downloaded.content.readline()
    downloaded.close()

    await carol.write("to be removed")
    assert (await carol.post("/account", PASSWORD_CHANGE)).status == 303
    await carol.post("/signout")
    await carol.log_in("carol@example.com", NEW_PASSWORD)
    assert (await carol.post("/account", {"action": "sign_out_everywhere"})).status == 303
    for path in ("/people", "/people?after=m", "/people/names?begin=u", "/person?login=bob"):
        await alice.page(path)
    await alice.page("/people/absent")
    form = {"action": "invite", "uses": "1", "days": "1"}
    invitation = await (await alice.post("/people", form)).text()
    eve = await house.visitor()
    await eve.register("eve", invitation=invitation.partition("invitation=")[2].partition('"')[0])
    await alice.post("/person", {"login": "bob", "action": "password"})
    await alice.post("/person", {"login": "bob", "action": "appoint"})
    await alice.post("/person", {"login": "bob", "action": "dismiss"})
    await bob.log_in("bob")
    # The cookie of a session that was ended elsewhere.
    assert await house.app[SESSIONS].identify("ended") is None
    form = {"login": "carol", "action": "ban", "also_remove": "yes"}
    assert (await alice.post("/person", form)).status == 303
    assert (await delete_account(bob)).status == 303
    await finish_departures(house)


async def use_files(house: House, alice: Person) -> None:
    """Send a message with a file, read that, and delete the message; let the sweep go by."""
    files, socket = house.app[FILES], await alice.connect()
    await house.app[USAGE].is_counted.wait()
    sent, unsent = await add_for(house, "alice", b"x"), await add_for(house, "alice", b"x")
    await socket.send(type="message", msg="", nonce="with a file", file=sent.id)
    seq = (await socket.next("message"))["seq"]
    assert await content_of(files, sent) == b"x"
    assert await files.preview(sent.id)
    async for document in walk(files._files, {}):
        if document["id"] == sent.id:
            assert not await files._is_left_over(document)
            break
    await socket.send(type="delete", of=seq, nonce="deleted")
    files.forget(unsent.id)
    for file in (sent, unsent):
        await until(lambda: is_removed(house, file.id))  # noqa: B023


async def is_removed(house: House, file_id: str) -> bool:
    """Return whether a file's document, which goes last, is gone."""
    return await house.database[FILE_COLLECTION].find_one({"file_id": file_id}) is None


async def most_steps(open_house: OpenHouse, count: int) -> Steps:
    """Return what each statement takes in a database of a size."""
    async with counting_server() as (handler, folder):
        database = {"MONGO_HOST": embedded_uri(folder), "MONGO_DB_NAME": NAME}
        house = await open_house(**database)
        alice = await house.sign_in("alice")
        socket = await alice.connect()
        await socket.say("the first", nonce=FIRST_NONCE)
        await socket.next("message")
        await add_for(house, "alice", b"x")
        await house.close()
        await house.server.close()
        fill(folder / f"{NAME}.db", count, with_changes=True)
        fill_with_files(folder / f"{NAME}.db", count // FILES_EVERY)
        handler.steps.clear()
        house = await open_house(**database, MODERATORS=("alice",))
        alice = await house.visitor()
        await alice.log_in("alice")
        await use_everything(house, alice, count)
        assert await house.database[MESSAGE_COLLECTION].find_one(SCAN) is None
        await house.close()
        await house.server.close()
        return handler.steps


async def test_no_statement_takes_longer_in_a_long_log_of_messages_and_changes(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OURS, "socketTimeoutMS", START_PATIENCE * 1000)  # for SCAN
    monkeypatch.setattr("auth.sessions.REMOVE_EVERY", 0.1)
    monkeypatch.setattr("app.ELSEWHERE", EMBEDDED)  # the pace of the embedded database
    monkeypatch.setattr("search.finder.SEARCHES", (0, 10))
    monkeypatch.setattr("search.finder.NEWEST", FEW // 2)
    monkeypatch.setattr("search.finder.RARE", FEW // 4)
    monkeypatch.setattr("search.finder.SEARCH_FOR", 0)
    monkeypatch.setattr("files.store.FILES_PER_QUERY", FEW // FILES_EVERY // 2)
    few, many = await most_steps(open_house, FEW), await most_steps(open_house, MANY)
    assert few.keys() == many.keys()
    assert any("$text" in statement for statement in few)
    slower = [statement for statement in few if many[statement] > GROWTH * few[statement] + GROWTH]
    assert slower == [f"find {MESSAGE_COLLECTION} {without_values({'filter': SCAN})}"]


async def test_the_account_page_takes_no_longer_if_an_account_has_very_many_sessions(
    open_house: OpenHouse,
) -> None:
    steps = []
    for count in (200, 4000):
        async with counting_server() as (handler, folder):
            house = await open_house(MONGO_HOST=embedded_uri(folder), MONGO_DB_NAME=NAME)
            alice = await house.sign_in("alice")
            sessions = house.database[SESSION_COLLECTION]
            session = await sessions.find_one({})
            assert session is not None
            await sessions.insert_many({**session, "_id": f"filled{n}"} for n in range(count))
            handler.steps.clear()
            page = await alice.page("/account")
            assert page.count('name="session"') == 100
            steps.append(sum(handler.steps.values()))
            await house.close()
            await house.server.close()
    few, many = steps
    assert many <= GROWTH * few
