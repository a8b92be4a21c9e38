"""How much room files take, and that no person and nobody together takes more than there is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from files.store import FILES, walk
from files.usage import USAGE, OverQuota, Usage
from server.relay import RELAY, Relay
from settings import FILE_COLLECTION
from storage.database import DatabaseUnavailable, Document
from tests.support.house import House, OpenHouse
from tests.support.imitation import Imitation
from tests.support.people import Person
from tests.support.redis_server import RedisServer
from tests.support.sockets import Socket
from tests.support.stored_files import add_for, identity_of, new_file, nothing_left, parts_of
from tests.support.waiting import until

ALICE, BOB = "1" * 24, "2" * 24  # have no accounts: a sweep removes what no message names


async def accounts(house: House) -> list[str]:
    """Return the ids of two people with accounts."""
    for login in ("alice", "bob"):
        await house.sign_in(login)
    return [(await identity_of(house, login)).user_id for login in ("alice", "bob")]


def used(house: House, user_id: str) -> tuple[int, int]:
    """Return how many files a person has, and how many bytes."""
    usage = house.app[USAGE]
    return usage.files[user_id], usage.sizes[user_id]


async def test_files_are_counted_by_person_until_they_are_gone(
    house: House, alice: Person, hers: Socket
) -> None:
    user_id = (await identity_of(house, "alice")).user_id
    file = await add_for(house, "alice", b"x" * 1000)
    await add_for(house, "alice", b"x" * 500)
    await house.app[FILES].add(BOB, new_file(b"x" * 7))
    assert (used(house, user_id), used(house, BOB)) == ((2, 1500), (1, 7))
    await hers.send(type="message", msg="", nonce="n", file=file.id)
    await hers.send(type="delete", of=1, nonce="d")
    await until(lambda: used(house, user_id) == (1, 500))


async def test_a_restart_counts_what_is_there(open_house: OpenHouse) -> None:
    house = await open_house()
    alice, bob = await accounts(house)
    for number in range(5):
        await house.app[FILES].add(alice, new_file(b"x" * (number + 1)))
    await house.app[FILES].add(bob, new_file(b"x"))
    await house.database[FILE_COLLECTION].insert_many(
        {"file_id": f"left{n}", "user_id": bob, "size": 10**9, "state": state, "touched": 0}
        for n, state in enumerate(["incomplete", "gone"])
    )
    again = await open_house(FILES_PER_USER=16)
    await again.app[USAGE].is_counted.wait()
    assert (used(again, alice), used(again, bob)) == ((5, 15), (1, 1))
    await again.app[FILES].add(alice, new_file(b"x"))
    with pytest.raises(OverQuota):
        await again.app[FILES].add(alice, new_file(b"x"))


async def test_very_many_files_are_counted_in_short_queries(
    open_house: OpenHouse, imitation: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("files.store.FILES_PER_QUERY", 10)
    house = await open_house(MONGO_HOST=imitation.address)
    await house.database[FILE_COLLECTION].insert_many(
        {"file_id": f"{n:03}", "user_id": ALICE, "size": n, "state": "complete", "key": "k"}
        for n in range(1, 96)
    )
    await house.app[USAGE].count(walk(house.app[FILES]._files, {}))
    assert used(house, ALICE) == (95, 95 * 96 // 2)
    queries = [c.body for c in imitation.commands if c.body.get("find") == FILE_COLLECTION]
    assert {query["limit"] for query in queries} == {10}


@pytest.mark.parametrize("what", ["per person", "in all"])
async def test_a_file_for_which_there_is_no_room_is_refused_in_words_before_anything_is_stored(
    open_house: OpenHouse, what: str
) -> None:
    limits: dict[str, Any] = {"FILES_PER_USER": 3000} if what == "per person" else {}
    house = await open_house(**limits, FILES_IN_ALL=3000)
    files = house.app[FILES]
    first = await files.add(ALICE, new_file(b"x" * 2000))
    before = await parts_of(house.database)
    other = ALICE if what == "per person" else BOB
    with pytest.raises(OverQuota) as refused:
        await files.add(other, new_file(b"x" * 1001))
    text = str(refused.value)
    if what == "per person":
        assert text.startswith("Your files take 2.0 kB already;")
        assert "3.0 kB that each person has" in text
    else:
        assert text.startswith("Everybody's files take 2.0 kB already,")
    assert await parts_of(house.database) == before
    assert await files.find(first.id)  # the oldest stay
    await files.add(other, new_file(b"x" * 1000))
    files.forget(first.id)
    await until(lambda: used(house, ALICE)[1] < 2000)
    await files.add(other, new_file(b"x" * 1001))


async def test_of_several_files_at_once_only_those_are_stored_that_there_is_room_for(
    open_house: OpenHouse,
) -> None:
    house = await open_house(FILES_PER_USER=3500, FILES_IN_ALL=5000)
    people = await accounts(house)
    adding = [
        house.app[FILES].add(user_id, new_file(b"x" * 1000)) for _ in range(4) for user_id in people
    ]
    done = await asyncio.gather(*adding, return_exceptions=True)
    assert sum(isinstance(each, OverQuota) for each in done) == 3
    assert house.app[USAGE].sizes.total() == 5000
    assert max(used(house, user_id)[0] for user_id in people) <= 3


async def test_what_is_told_during_a_count_counts_once_wherever_the_count_is() -> None:
    usage = Usage(0, 0, Relay())
    stored = {"a": 1, "b": 10, "c": 100, "d": 1000}

    async def walking() -> AsyncIterator[Document]:
        for file_id in "abcd":
            yield {"file_id": file_id, "user_id": ALICE, "size": stored[file_id]}
            if file_id == "b":
                for told in ("a", -1), ("b", -10), ("a2", 2), ("b2", 20), ("c", -100), ("d", 1000):
                    usage.hear((told[0], ALICE, told[1]))

    await usage.count(walking())
    assert (usage.files[ALICE], usage.sizes[ALICE]) == (3, 1022)
    usage.hear(("d", ALICE, -1000))
    assert (usage.files[ALICE], usage.sizes[ALICE]) == (2, 22)


async def test_what_is_not_stored_gives_its_room_back(
    open_house: OpenHouse, imitation: Imitation
) -> None:
    house = await open_house(MONGO_HOST=imitation.address, FILES_PER_USER=1000)
    imitation.answers["insert"] = lambda body: {"ok": 0, "code": 91, "errmsg": "ends"}
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await house.app[FILES].add(ALICE, new_file(b"x" * 1000))
    imitation.answers.clear()
    await house.app[FILES].add(ALICE, new_file(b"x" * 1000))


async def test_no_limit_is_no_limit(open_house: OpenHouse) -> None:
    house = await open_house(FILES_PER_USER=0, FILES_IN_ALL=0)
    with house.app[USAGE].reserved(ALICE, 10**15):
        await house.app[FILES].add(ALICE, new_file())


async def test_all_processes_count_what_one_stores_and_removes(
    open_house: OpenHouse, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.redis_relay.RENEW_EVERY", 0.1)
    houses = [await open_house(REDIS_URL=redis.url) for _ in range(2)]
    await until(lambda: all(house.app[RELAY].is_connected for house in houses))
    await until(lambda: any(house.app[RELAY].is_writer for house in houses))
    alice, _ = await accounts(houses[0])
    files: list[str] = []

    async def has_heard() -> bool:  # a new process is not believed at once
        files.append((await houses[0].app[FILES].add(alice, new_file(b"x"))).id)
        await asyncio.sleep(0.1)
        return bool(used(houses[1], alice)[0])

    async def counts_all() -> bool:  # also what it has heard of after a sweep had counted it
        await houses[1].app[FILES].sweep()
        return used(houses[1], alice) == (len(files), len(files))

    await until(has_heard, within=30)
    await until(counts_all)
    for file_id in files:
        houses[1].app[FILES].forget(file_id)
    await nothing_left(houses[0].database)
    await until(lambda: used(houses[0], alice) == used(houses[1], alice) == (0, 0))


async def test_a_sweep_corrects_what_was_not_told(open_house: OpenHouse) -> None:
    house, other = await open_house(), await open_house()  # without Redis
    alice, bob = await accounts(house)
    await other.app[FILES].add(alice, new_file(b"x" * 9))
    house.app[USAGE].hear(("nothing", bob, 10**9))
    await house.app[FILES].sweep()
    assert (used(house, alice), used(house, bob)) == ((1, 9), (0, 0))


async def test_before_all_is_counted_a_file_waits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("files.store.RETRY_PAUSE", 3600)
    usage = house.app[USAGE]
    await usage.is_counted.wait()
    usage.is_counted.clear()
    adding = asyncio.create_task(house.app[FILES].add(ALICE, new_file(b"x")))
    await asyncio.sleep(0.05)
    assert not await parts_of(house.database)
    usage.is_counted.set()
    await adding
    usage.is_counted.clear()
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", 0.05)
    with pytest.raises(DatabaseUnavailable):
        await house.app[FILES].add(ALICE, new_file(b"x"))


@pytest.mark.parametrize(
    "told",
    [
        None,
        7,
        "x",
        [],
        (ALICE, 1),
        ("f", ALICE, "1"),
        ("f", 7, 1),
        (7, ALICE, 1),
        ("f", ALICE, True),
    ],
)
def test_strange_things_from_another_process_are_refused(told: Any) -> None:
    usage = Usage(0, 0, Relay())
    with pytest.raises((TypeError, ValueError)):
        usage.hear(told)
    assert not usage.sizes
