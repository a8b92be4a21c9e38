"""Talking over `/ws`, in both formats."""

from tests.conftest import House


async def test_a_message_reaches_everybody_its_sender_included(house: House) -> None:
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    hers, his = await alice.connect(), await bob.connect()
    assert (await hers.next())["type"] == "hello"
    assert await hers.next() == {"type": "joined", "user": "bob"}
    hello = await his.next()
    assert hello == {
        "type": "hello",
        "user": "bob",
        "seq": 0,
        "people": 2,
        "online": ["alice", "bob"],
        "truncated": False,
    }
    await hers.say("hi", nonce="n1")
    frame = await hers.next()
    assert frame == await his.next()
    assert frame.pop("time").endswith("Z")
    assert frame == {"type": "message", "seq": 1, "user": "alice", "msg": "hi", "nonce": "n1"}
