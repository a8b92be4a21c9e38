"""People in the chat, each with a socket."""

import pytest

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
