"""Hashing passwords: many of one name delay nobody else."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from auth import passwords
from auth.passwords import HASHER, MAX_WAITING, Hasher
from security.limits import Busy
from tests.support.accounts import PASSWORD_CHANGE, user_id_of
from tests.support.house import House
from tests.support.people import PASSWORD, WRONG, Person
from tests.support.waiting import until


class Held:
    """Hashes that are not ready until they may be; `under_way` counts them by password."""

    def __init__(self) -> None:
        self.under_way: Counter[bytes] = Counter()
        self.most: Counter[bytes] = Counter()
        self.may_be_ready = threading.Event()

    def verify(self, secret: bytes, _: str) -> bool:
        """Wait, instead of checking a password."""
        self.under_way[secret] += 1
        self.most |= self.under_way
        self.may_be_ready.wait()
        self.under_way[secret] -= 1
        return True


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Hashes that wait, until the end of the test."""
    held = Held()
    monkeypatch.setattr(passwords, "_verify", held.verify)
    yield held
    held.may_be_ready.set()


async def test_one_password_of_a_name_is_checked_at_a_time_and_others_need_not_wait(
    held: Held,
) -> None:
    hasher = Hasher()
    checks = [asyncio.create_task(hasher.matches("of alice", "", "alice")) for _ in range(10)]
    await until(lambda: held.under_way)
    checks.append(asyncio.create_task(hasher.matches("of bob", "", "bob")))
    await until(lambda: held.under_way[b"of bob"])
    held.may_be_ready.set()
    await asyncio.gather(*checks)
    assert held.most == {b"of alice": 1, b"of bob": 1}
    hasher.close()


async def test_too_many_passwords_of_one_name_are_refused_and_no_others(held: Held) -> None:
    hasher = Hasher()
    checks = [
        asyncio.create_task(hasher.matches("of alice", "", "alice")) for _ in range(1 + MAX_WAITING)
    ]
    await until(lambda: held.under_way)
    with pytest.raises(Busy):
        await hasher.matches("of alice", "", "alice")
    checks.append(asyncio.create_task(hasher.matches("of bob", "", "bob")))
    await until(lambda: held.under_way[b"of bob"])
    held.may_be_ready.set()
    await asyncio.gather(*checks)
    hasher.close()


@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_a_name_s_log_ins_are_checked_one_after_the_other_whether_or_not_there_is_an_account(
    house: House, alice: Person, held: Held, name: str
) -> None:
    people = [await house.visitor() for _ in range(3)]
    spellings = (name, name.upper(), f" {name} ")
    log_ins = [
        asyncio.create_task(person.log_in(spelling, PASSWORD))
        for person, spelling in zip(people, spellings, strict=True)
    ]
    await until(lambda: held.under_way)
    log_ins.append(asyncio.create_task((await house.visitor()).log_in("somebody else", WRONG)))
    await until(lambda: held.under_way[WRONG.encode()])
    held.may_be_ready.set()
    await asyncio.gather(*log_ins)
    assert held.most[PASSWORD.encode()] == 1


async def test_the_account_page_checks_one_password_of_an_account_at_a_time(
    house: House, alice: Person, held: Held
) -> None:
    user_id = await user_id_of(house, "alice")
    changes = [asyncio.create_task(alice.post("/account", PASSWORD_CHANGE)) for _ in range(3)]
    await until(lambda: held.under_way)
    await until(lambda: house.app[HASHER]._turns._lines[user_id].inside == 3)
    held.may_be_ready.set()
    await asyncio.gather(*changes)
    assert held.most[PASSWORD.encode()] == 1
