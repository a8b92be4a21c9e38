"""Correcting a message by its page: for its author a while, for moderators always."""

import re
from datetime import timedelta
from typing import Any

import pytest

from chat.journal import JOURNAL, Journal
from chat.models import Message
from settings import Settings
from storage.database import DatabaseUnavailable
from tests.support.accounts import delete_account
from tests.support.clocks import Clock
from tests.support.hostile import HOSTILE
from tests.support.house import House, OpenHouse
from tests.support.pages import FormPage
from tests.support.people import Person
from tests.support.sockets import Socket

TOO_LATE = "This message can&#39;t be changed any more"


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    """A chat with a moderator."""
    return await open_house(MODERATORS=("Mona",))


@pytest.fixture
async def mona(house: House) -> Person:
    """The moderator."""
    return await house.sign_in("mona")


async def edit(person: Person, seq: int, msg: str, **fields: str) -> Any:
    """Give a message another text."""
    return await person.post(f"/message/{seq}", {"action": "edit", "msg": msg, **fields})


async def delete(person: Person, seq: int, **fields: str) -> Any:
    """Take a message's text away."""
    return await person.post(f"/message/{seq}", {"action": "delete", **fields})


async def test_the_author_edits_a_message_and_everybody_reads_it_changed(
    alice: Person, bob: Person, his: Socket
) -> None:
    await alice.write("helo")
    assert 'href="/message/1"' in await alice.page()
    assert ">\nhelo</textarea>" in await alice.page("/message/1")
    response = await edit(alice, 1, "hello\r\nyou")
    assert (response.status, response.headers["Location"]) == (303, "/")
    frame = await his.next("change")
    assert (frame["of"], frame["state"], frame["msg"]) == (1, "edited", "hello\nyou")
    page = await bob.page()
    assert "hello\nyou" in page
    assert "helo" not in page
    assert '<span class="message__state">edited</span>' in page


async def test_the_author_deletes_a_message_and_can_do_no_more_with_it(
    alice: Person, bob: Person
) -> None:
    await alice.write("a secret")
    assert (await delete(alice, 1)).status == 303
    for person in (alice, bob):
        page = await person.page()
        assert "a secret" not in page
        assert '<span class="message__state">deleted</span>' in page
        assert "/message/1" not in page
        assert "a secret" not in await person.page("/message/1", 403)
    assert (await edit(alice, 1, "back again")).status == 403
    assert "back again" not in await bob.page()


async def test_others_may_change_nothing(house: House, alice: Person, bob: Person) -> None:
    await alice.write("mine")
    assert "/message/1" not in await bob.page()
    assert "Only the author of a message can change it." in await bob.page("/message/1", 403)
    for response in (await edit(bob, 1, "stolen"), await delete(bob, 1)):
        page = await FormPage.read(response)
        assert response.status == 403
        assert page.error == "This message can't be changed any more"
    assert "mine" in await bob.page()
    assert house.app[JOURNAL].recent.last == 1


async def test_after_a_while_the_author_may_not_either_and_loses_nothing_typed(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.write("of long ago")
    monkeypatch.setattr("chat.models.CHANGEABLE_FOR", timedelta(0))
    assert "/message/1" not in await alice.page()
    assert TOO_LATE in await alice.page("/message/1", 403)
    response = await edit(alice, 1, "what I wanted to say")
    page = await response.text()
    assert response.status == 403
    assert TOO_LATE in page
    assert "what I wanted to say</textarea>" in page
    assert (await delete(alice, 1)).status == 403
    assert "of long ago" in await alice.page()


async def test_a_moderator_deletes_and_manages_but_does_not_edit(
    bob: Person, mona: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bob.write("<b>rubbish</b>")
    monkeypatch.setattr("chat.models.CHANGEABLE_FOR", timedelta(0))
    assert 'href="/message/1"' in await mona.page()
    page = await mona.page("/message/1")
    assert "&lt;b&gt;rubbish&lt;/b&gt;" in page
    assert "<textarea" not in page
    assert ">Delete</button>" in page
    assert 'href="/person?login=bob">Manage bob' in page
    assert (await edit(mona, 1, "what bob never said")).status == 403
    assert (await delete(mona, 1)).status == 303
    assert "rubbish" not in await bob.page()
    page = await mona.page("/message/1")  # for the author can still be managed
    assert ">Delete</button>" not in page
    assert ">Manage bob" in page


async def test_a_moderator_is_not_offered_to_manage_themselves(mona: Person, house: House) -> None:
    await mona.write("my own")
    page = await mona.page("/message/1")
    assert "my own</textarea>" in page
    assert ">Delete</button>" in page
    assert "Manage" not in page


async def test_nobody_is_offered_to_manage_an_author_who_has_no_account(
    house: House, bob: Person, mona: Person
) -> None:
    await bob.write("farewell")
    assert (await delete_account(bob)).status == 303
    await house.app[JOURNAL].append("old:1", "carol", "", {"msg": "of the tutorial's time"})
    for seq in (1, 2):
        page = await mona.page(f"/message/{seq}")
        assert ">Delete</button>" in page
        assert "Manage" not in page


async def test_each_form_of_the_page_has_a_nonce_of_its_own(alice: Person) -> None:
    await alice.write("hello")
    pages = [await alice.page("/message/1") for _ in range(2)]
    nonces = [re.findall(r'name="nonce" value="([\w-]{16})"', page) for page in pages]
    assert [len(each) for each in nonces] == [2, 2]
    assert len({nonce for each in nonces for nonce in each}) == 4


@pytest.mark.parametrize(
    "seq", ["2", "3", "0", "999999999999999", "x", "-1", "1e3", "9" * 16, "1/"]
)
async def test_there_is_no_page_where_there_is_no_message(
    mona: Person, house: House, seq: str
) -> None:
    await mona.write("the only one")
    assert (await edit(mona, 1, "changed")).status == 303  # number 2, which is no message
    page = await mona.page(f"/message/{seq}", 404)
    assert ("There is no such message." in page) is (re.fullmatch("[0-9]{1,15}", seq) is not None)
    response = await mona.post(f"/message/{seq}", {"action": "delete"})
    assert response.status == 404
    assert house.app[JOURNAL].recent.last == 2


@pytest.mark.parametrize(
    ("form", "error", "field"),
    [
        ({"action": "edit", "msg": ""}, "Please write something", "msg"),
        ({"action": "edit"}, "Please write something", "msg"),
        ({"action": "edit", "msg": "\u200b"}, "Please write something", "msg"),
        ({"action": "edit", "msg": "x" * 10_001}, "A message has at most 10000 characters", "msg"),
        ({"action": "edit", "msg": "hi", "nonce": "n" * 65}, "The nonce must be text", "msg"),
        ({"action": "ban", "msg": "hi"}, "Please choose what to do", "msg"),
        ({}, "Please choose what to do", "msg"),
    ],
)
async def test_a_form_that_cannot_be_taken_comes_back(
    alice: Person, form: dict[str, str], error: str, field: str
) -> None:
    await alice.write("as it was")
    response = await alice.post("/message/1", form)
    page = await FormPage.read(response)
    assert response.status == 400
    assert page.error.startswith(error)
    assert page.error_field == field
    assert f">\n{form.get('msg', 'as it was')}</textarea>" in await response.text()
    assert "as it was" in await alice.page()


async def test_an_invalid_form_is_refused(alice: Person) -> None:
    await alice.write("as it was")
    json = {"Content-Type": "application/json", "Accept": "application/json"}
    response = await alice.post("/message/1", b'{"action": "delete"}', headers=json)
    assert response.status == 415
    assert "Please send a form" in (await response.json())["error"]


async def test_changes_count_as_messages_where_those_come_too_fast(
    open_house: OpenHouse, clock: Clock
) -> None:
    house = await open_house(MESSAGES_PER_SECOND=1)
    alice = await house.sign_in("alice")
    await alice.write("1", "2", "3")
    assert (await edit(alice, 1, "in time")).status == 303
    response = await edit(alice, 1, "too fast")
    page = await FormPage.read(response)
    assert (response.status, page.error_field) == (429, "msg")
    assert "Retry-After" in response.headers
    assert "too fast</textarea>" in await response.text()


@pytest.mark.parametrize(
    ("owner", "method", "goes_well", "fault"),
    [
        (Message, "get", 0, DatabaseUnavailable),  # when the page reads the message
        (Message, "get", 1, DatabaseUnavailable),  # when it is checked who may change it
        (Journal, "append", 0, DatabaseUnavailable),
    ],
)
async def test_what_was_typed_stays_where_the_database_is_away(
    alice: Person,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    goes_well: int,
    fault: type[Exception],
) -> None:
    await alice.write("as it was")
    call, calls = getattr(owner, method), 0

    async def fail(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls > goes_well:
            raise fault
        return await call(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, fail)
        response = await edit(alice, 1, "typed with care", nonce="n1")
    page = await response.text()
    assert response.status == 503
    assert "Retry-After" in response.headers
    assert "Sent again, it appears only once." in page
    assert "typed with care</textarea>" in page
    assert 'name="nonce" value="n1"' in page


@pytest.mark.parametrize("action", ["edit", "delete"])
async def test_a_double_click_changes_once(house: House, alice: Person, action: str) -> None:
    await alice.write("first")
    form = {"action": action, "msg": "second", "nonce": "n1"}
    statuses = [(await alice.post("/message/1", form)).status for _ in range(2)]
    assert statuses == [303, 303]
    assert house.app[JOURNAL].recent.last == 2


OWN = re.compile('<script type="module" src="/static/[^"<>]+"></script>|<svg class="icon"')


async def test_hostile_messages_stay_text_on_their_page(bob: Person, mona: Person) -> None:
    await bob.write("first", "second", "third")
    for number, text in enumerate(HOSTILE):
        seq = 1 + number % 3  # one may be edited fifty times only
        assert (await edit(bob, seq, text)).status == 303
        for person in (bob, mona):
            page = OWN.sub("", await person.page(f"/message/{seq}"))
            for opening in ("<script", "<img", "<svg", 'onerror="', "<iframe"):
                assert opening not in page, text
        refused = await edit(bob, seq, text + "x" * Settings.MESSAGE_LENGTH)
        assert "<script" not in OWN.sub("", await refused.text()), text
