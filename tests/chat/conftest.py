"""People in the chat, each with a socket, and a log without a chat."""

from collections.abc import AsyncIterator

import pytest

from database import Collection, create_indexes
from settings import MESSAGE_COLLECTION, Settings
from tests.support.databases import another_client
from tests.support.people import Person
from tests.support.sockets import Socket


@pytest.fixture
async def hers(alice: Person) -> Socket:
    """Alice's socket."""
    return await alice.connect()


@pytest.fixture
async def his(bob: Person) -> Socket:
    """Bob's socket."""
    return await bob.connect()


@pytest.fixture
async def messages(settings: Settings) -> AsyncIterator[Collection]:
    """The log, empty, with its indexes."""
    async with another_client(settings) as db:
        await create_indexes(db)
        yield db[MESSAGE_COLLECTION]
