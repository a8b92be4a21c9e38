"""A replica set at its worst, under load: nothing is lost, doubled, or out of order."""

import random
from collections.abc import Callable

import pytest

from storage.database import DATABASE, Document
from tests.support.history import Company, visited
from tests.support.house import OpenHouse
from tests.support.imitation import Imitation
from tests.support.waiting import START_PATIENCE, until

pytestmark = pytest.mark.timeout(120)  # seconds; each comes to rest in a few

PACE = 60  # messages per second, of all clients together
CLIENTS = 6  # of three people
MESSAGES = 60  # while a fault lasts
REFUSALS = (112, 262, 8000, 10107)  # that pass, or do not; anywhere in a batch
WRITES = ("insert", "update", "delete")

Odds = Callable[[], bool]


def steps_down(imitation: Imitation, odds: Odds) -> None:
    """Let the primary step down now and then, before an insert."""

    def answer(_: Document) -> None:
        if odds():
            imitation.step_down()

    imitation.answers["insert"] = answer


def loses_replies(imitation: Imitation, odds: Odds) -> None:
    """Lose replies to what is written to the log, and the connections with them."""
    imitation.loses = lambda name, body: name in WRITES and "messages" in body.values() and odds()


def shows_one_by_one(imitation: Imitation, odds: Odds) -> None:
    """Show the documents of an insert one after the other, so that others read a part of it."""
    imitation.is_gradual = True


def refuses(imitation: Imitation, odds: Odds) -> None:
    """Refuse inserts now and then, by code, as one document or all of the command."""
    dice = random.Random(1)

    def answer(body: Document) -> Document | None:
        if body["insert"] != "messages" or not odds():
            return None
        refusal = {"code": dice.choice(REFUSALS), "errmsg": "no"}
        if dice.random() < 0.5:
            return {"ok": 0, **refusal}
        return {"ok": 1, "n": 0, "writeErrors": [{"index": 0, **refusal}]}

    imitation.answers["insert"] = answer


def is_30_ms_away(imitation: Imitation, odds: Odds) -> None:
    """Be in another country."""
    imitation.delay = 0.03


def is_180_ms_away(imitation: Imitation, odds: Odds) -> None:
    """Be on another continent."""
    imitation.delay = 0.18


@pytest.mark.parametrize(
    ("fault", "processes"),  # without Redis, so that they do not know of one another
    [
        (steps_down, 2),
        (loses_replies, 2),
        (shows_one_by_one, 2),
        (refuses, 2),
        (is_30_ms_away, 2),
        (is_180_ms_away, 1),
    ],
)
async def test_nothing_is_lost_doubled_or_out_of_order(
    open_house: OpenHouse,
    imitation: Imitation,
    fault: Callable[[Imitation, Odds], None],
    processes: int,
) -> None:
    houses = [await open_house(MONGO_HOST=imitation.address) for _ in range(processes)]
    dice = random.Random(1)
    doors = [house.url for house in houses]
    async with visited(doors, CLIENTS, dice) as clients:
        company = Company(clients, houses[0].app[DATABASE].motor, dice)

        def acknowledged() -> int:
            return sum(len(client.history.acknowledged) for client in clients)

        async with company.judged(PACE):
            fault(imitation, lambda: dice.random() < 0.3)
            await until(lambda: acknowledged() >= MESSAGES, START_PATIENCE)
            imitation.answers.clear()
            imitation.loses = lambda name, body: False
