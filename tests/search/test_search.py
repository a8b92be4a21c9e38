"""Finding: words in messages, newest first, and the history around what was found."""

import asyncio
import re
import unicodedata
from urllib.parse import urlencode

import pytest

from chat.journal import JOURNAL
from search.finder import ELSEWHERE, EMBEDDED, FINDER, PAGE_LENGTH, QUEUE, SEARCHES, Found, Pace
from search.views import QUERY_LENGTH, QUERY_WORDS
from settings import MESSAGE_COLLECTION
from storage.database import CALL_TIMEOUT, MotorDatabase
from tests.support.clocks import Clock
from tests.support.hostile import HOSTILE
from tests.support.house import House, OpenHouse
from tests.support.imitation import Imitation
from tests.support.log import say
from tests.support.pages import Finds, FormPage
from tests.support.people import Person
from tests.support.sessions import held_by, present
from tests.support.waiting import PATIENCE, until


async def search(person: Person, query: str) -> Finds:
    """Look for something, and return what the page shows."""
    return Finds(await person.page(f"/search?{urlencode({'q': query})}"))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let people search as fast as a test can."""
    monkeypatch.setattr("search.finder.SEARCHES", (0, 10))


@pytest.fixture(autouse=True)
def pace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """The pace of the embedded database, wherever the tests have theirs; or a test's own choice."""
    chosen: Pace = getattr(request, "param", EMBEDDED)
    monkeypatch.setattr("app.ELSEWHERE", chosen)
    return chosen


BOTH_PACES = pytest.mark.parametrize(
    "pace", [EMBEDDED, ELSEWHERE], ids=["embedded", "elsewhere"], indirect=True
)


@pytest.fixture(params=["the newest messages", "the text index"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to find a message: a long log has it among the newest, or further back."""
    way: str = request.param
    if way == "the text index":
        monkeypatch.setattr("search.finder.NEWEST", 0)
    return way


@BOTH_PACES
async def test_a_message_is_found_by_each_of_its_words_and_by_nothing_else(
    alice: Person, way: str
) -> None:
    await alice.write("The café opens at nine", "Привет, Ёлка!", "see foo_bar and don't ask")
    await alice.write("tiếng мои Straße Ελλάδα")
    for query, found in [
        ("café", 1), ("CAFÉ", 1), ("cafe", 1), ("the", 1), ("nine  opens", 1), ("nine!", 1),
        ("привет", 2), ("ёлка ПРИВЕТ", 2), ("foo_bar", 3), ("don't", 3), ("don’t", 3),
        ("tiếng", 4), ("мои", 4), ("STRAßE", 4), ("ελλάδα", 4),
        ("елка", 0), ("мой", 0), ("strasse", 0), ("ελλαδα", 0), ("tieng", 0),
        ("ine", 0), ("привет nine", 0), ("opening", 0), ("ca", 0), ("op", 0),
    ]:  # fmt: skip
        links = [f"/?around={found}#m{found}"] if found else []
        assert (await search(alice, query)).links == links, query
    if way == "the newest messages":  # MongoDB's index has no parts of foo_bar
        assert (await search(alice, "foo bar")).links == ["/?around=3#m3"]


async def test_the_beginning_of_a_word_is_found_in_the_newest_messages(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.write(
        "The deployment is Tomorrow", "DÉPLOYÉ", "redeployed and to_deploy", "我deploy", "a deploy"
    )
    assert "beginnings of words in about the newest 2,000 messages" in await alice.page("/search")
    for query, found in [
        ("deploy", [5, 4, 3, 2, 1]), ("dep", [5, 4, 3, 2, 1]), ("tomo dep", [1]), ("de", []),
        ("ploy", []),
    ]:  # fmt: skip
        assert (await search(alice, query)).links == [f"/?around={n}#m{n}" for n in found], query
    monkeypatch.setattr("search.finder.NEWEST", 0)  # all are further back
    links = (await search(alice, "deploy")).links
    assert links[0] == "/?around=5#m5"
    assert set(links[1:]) <= {"/?around=3#m3"}  # which the embedded database finds, MongoDB not


@pytest.mark.usefixtures("way")
async def test_a_word_in_a_script_without_spaces_is_found_anywhere(alice: Person) -> None:
    await alice.write(
        "我们今天部署deployment了",
        "明日デプロイします",
        "회의는 내일입니다",
        "พรุ่งนี้ประชุม",
        "我用AI技术",
    )
    for query, found in [
        ("我们", 1), ("部署", 1), ("今天 我们", 1), ("デプロイ", 2), ("明", 2),
        ("用ai", 5), ("회의", 3), ("내일", 3), ("ประชุม", 4), ("明天", 0), ("我们 デプロイ", 0),
    ]:  # fmt: skip
        links = [f"/?around={found}#m{found}"] if found else []
        assert (await search(alice, query)).links == links, query
    assert (await search(alice, "部署")).marks == ["部署"]


IN_WORDS = [*"_€₽฿™№℃·´¨״׳॰٪՚‿＿＠🎉", "👍🏽", "👩‍💻", "\u200c", "\u200d"]  # in those of MongoDB


@BOTH_PACES
@pytest.mark.usefixtures("way")
async def test_signs_beside_a_script_without_spaces_need_not_be_there(alice: Person) -> None:
    """The text index is not asked for such words."""
    await alice.write("部署 (測試) 完成", "東京／大阪 100€です", "สวัสดี\u200bครับ")
    for query, found in [
        ("部署（測試）", 1), ("（測試）", 1), ("完成🎉", 1), ("大阪／東京", 2), ("～100€です！", 2),
        ("100です", 0), ("ครับ\u200bสวัสดี", 3), ("สวัสดี", 3),
    ]:  # fmt: skip
        links = [f"/?around={found}#m{found}"] if found else []
        assert (await search(alice, query)).links == links, query


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("sign", IN_WORDS, ids=ascii)
async def test_a_word_with_a_sign_in_it_is_asked_for_as_it_is_written(
    open_house: OpenHouse, imitation: Imitation, sign: str
) -> None:
    """MongoDB's index has it as one word, with the sign; the embedded database's has its parts."""
    alice = await (await open_house(MONGO_HOST=imitation.address)).sign_in("alice")
    word = f"foo{sign}bar"
    await alice.write(f"see {word}, please", "foo and bar", f"bar{sign}", f"{sign}foo bar")
    for query, found in [(word, 1), (f"({word.upper()}!) please", 1), (f"bar{sign}", 3)]:
        page = await search(alice, query)
        assert page.links == [f"/?around={found}#m{found}"], query
        assert {mark.lower() for mark in page.marks} <= {word, f"bar{sign}", "please"}
    assert asked(imitation) <= {f'"{word}"', f'"{word.upper()}" "please"', f'"bar{sign}"'}


@pytest.mark.parametrize(
    "sign", [*" -'’\"/,;:!?…–—«“§$£¥¢+=|~^`°×©®→★❤।،。、・：；\u00ad\u00a0\u2028\x00"], ids=ascii
)
async def test_what_separates_words_in_mongodb_separates_them_in_a_query(
    open_house: OpenHouse, imitation: Imitation, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    monkeypatch.setattr("search.finder.NEWEST", 0)
    alice = await (await open_house(MONGO_HOST=imitation.address)).sign_in("alice")
    await alice.write("milk and tea")
    assert (await search(alice, f"tea{sign}milk{sign}")).links == ["/?around=1#m1"]
    assert asked(imitation) == {'"tea" "milk"'}


def asked(imitation: Imitation) -> set[str]:
    """Return what the text index has been asked for."""
    filters = [it.body["filter"] for it in imitation.commands if it.name == "find"]
    return {where["$text"]["$search"] for where in filters if "$text" in where}


@pytest.mark.usefixtures("way")
async def test_what_cannot_be_seen_around_a_word_does_not_matter(alice: Person) -> None:
    await alice.write("one word", "צה\u200f״ל", "\u200fשלום\u200f, C++\u200e!")
    for query, found in [
        ("\ufeffword\u200b", 1), ("\u202aword\u202c", 1), ("\u200fצה״ל\u200f", 2),
        ("צ\u200fה״ל", 2), ("צה״ל", 2), ("שלום", 3), ("c++ שלום", 3), ("\u200eC++\u200e", 3),
    ]:  # fmt: skip
        assert (await search(alice, query)).links == [f"/?around={found}#m{found}"], ascii(query)


async def test_a_word_that_has_a_mark_of_direction_within_is_found_among_the_newest_messages(
    alice: Person,
) -> None:
    await alice.write("wo\u200erd", "ש\u200fלום", "\u061cסלאם\u061c", "\u2068name\u2069")
    for query, found in [("word", 1), ("שלום", 2), ("סלאם", 3), ("name", 4)]:
        assert (await search(alice, query)).links == [f"/?around={found}#m{found}"], query


@pytest.mark.parametrize(
    ("text", "query", "marks"),
    [
        ("Cafés: a CAFÉ is a cafe, no café_bar and no decaf", "cafe a",
         ["Café", "a", "CAFÉ", "a", "cafe", "café"]),
        ("Deployments", "deploy", ["Deploy"]),
        ("İstanbul stands", "istan", ["İstan"]),
        ("我用AI技术", "ai", ["AI"]),
        ("foo foobar", "foo foobar", ["foo", "foobar"]),
        ("cafe\u0301 open", "open", ["open"]),
    ],
)  # fmt: skip
async def test_what_was_found_is_marked(
    alice: Person, text: str, query: str, marks: list[str]
) -> None:
    await alice.write(text)
    page = await search(alice, query)
    assert page.texts == [unicodedata.normalize("NFC", text)]
    assert page.marks == marks
    assert page.query == query


@pytest.mark.usefixtures("way")
async def test_results_are_paged_newest_first(alice: Person) -> None:
    for number in range(1, 2 * PAGE_LENGTH + 1):
        await alice.write(f"needle {number}", "hay")
    pages = [await search(alice, "needle")]
    while path := pages[-1].older:
        pages.append(Finds(await alice.page(path)))
    assert [len(page.texts) for page in pages] == [PAGE_LENGTH, PAGE_LENGTH]
    texts = [text for page in pages for text in page.texts]
    assert texts == [f"needle {number}" for number in range(2 * PAGE_LENGTH, 0, -1)]
    assert "There are no older messages" in await alice.page("/search?q=needle&before=1")


async def test_the_empty_form_finds_nothing_and_complains_about_nothing(alice: Person) -> None:
    for path in ("/search", "/search?q="):
        response = await alice.get(path)
        page = await response.text()
        assert response.status == 200
        assert 'role="search"' in page
        assert "No message contains" not in page
        assert (await FormPage.read(response)).error == ""
    assert "No message contains all of these words" in await alice.page("/search?q=needle")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("x" * (QUERY_LENGTH + 1), f"at most {QUERY_WORDS} words, {QUERY_LENGTH} characters"),
        (" ".join(map(str, range(QUERY_WORDS + 1))), f"at most {QUERY_WORDS} words"),
        (f"https://example.com/{'a' * 300}?b=c", "a part of a long address is enough"),
        *((query, "signs and emoji can't be searched for") for query in ("🎉", "👍🏽", "🇩🇪", "❤️")),
        *((query, "Please write a word") for query in (" ", '"', '"" ""', "-", "\\", "\x00", "_",
          "*", "😀", "\u200d\ufe0f", "(^)", "…")),
    ],
)  # fmt: skip
async def test_a_query_that_cannot_be_taken_comes_back(
    alice: Person, query: str, text: str
) -> None:
    await alice.write("x 1 _ - 😀")
    response = await alice.get(f"/search?{urlencode({'q': query})}")
    assert response.status == 400
    page = await FormPage.read(response)
    assert text in page.error
    assert page.error_field == "q"
    assert "maxlength" not in page.inputs["q"]  # which would cut off what somebody pastes


@pytest.mark.parametrize("before", ["x", "-1", "", "1&before=2", "9" * 16])
async def test_a_before_that_is_no_number_is_refused(alice: Person, before: str) -> None:
    assert (await alice.get(f"/search?q=word&before={before}")).status == 400


@pytest.mark.usefixtures("way")
async def test_punctuation_and_operators_only_separate_words(alice: Person) -> None:
    await alice.write("tea and milk", "tea")
    for query in (
        "tea -milk", "tea NOT milk", 'tea" OR "milk', '"tea milk"', "milk tea", "tea\\ milk",
        "tea AND milk", "tea\x00milk", "msg:tea milk", "tea* milk", "NEAR(tea milk)", "^tea milk",
        "{tea} + milk", '\\"tea\\" milk', "tea -\"milk\"", "-tea milk", "tea;milk--",
    ):  # fmt: skip
        words = set(re.findall("[a-z]+", query.lower())) - {"tea", "milk", "and"}
        links = [] if words else ["/?around=1#m1"]
        assert (await search(alice, query)).links == links, query


@pytest.mark.usefixtures("way")
async def test_hostile_queries_and_messages_stay_text(
    alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    for text in HOSTILE:
        await alice.write(f"hostile {text}")
    for seq, text in enumerate(HOSTILE, 1):
        response = await alice.get(f"/search?{urlencode({'q': text, 'before': seq + 1})}")
        page = Finds(await response.text())
        assert page.query == text
        if response.status == 200:
            assert page.texts[0] == f"hostile {text}"
        else:  # it is too long, or has no words
            assert response.status == 400
    assert not caplog.records


@pytest.mark.usefixtures("way")
async def test_an_edited_message_is_found_by_its_new_text_and_a_deleted_one_never(
    alice: Person,
) -> None:
    await alice.write("first wording", "second wording")
    edit = await alice.post("/message/1", {"action": "edit", "msg": "other phrase"})
    delete = await alice.post("/message/2", {"action": "delete"})
    assert (edit.status, delete.status) == (303, 303)
    assert (await search(alice, "wording")).texts == []
    assert (await search(alice, "first")).texts == []
    assert (await search(alice, "phrase")).texts == ["other phrase"]


STEP = 50  # messages, as in the embedded database's pace
SHORT_ELSEWHERE = ELSEWHERE._replace(steps=(10, 40, 50), sample=(20,) * 4)
LONG = 300  # messages; for the test below that is a long log, in which 50 make a word frequent
STEPS = {"always": 1, "often": 2, "rarely": 20, "hardly": 100}  # words by how often they come


def text_of(seq: int) -> str:
    """Return the text of a message in the long log."""
    return " ".join([word for word in STEPS if seq % STEPS[word] == 0] + ["once"] * (seq < 200))


@pytest.mark.parametrize(
    "pace", [EMBEDDED, SHORT_ELSEWHERE], ids=["embedded", "elsewhere"], indirect=True
)
@pytest.mark.parametrize("search_for", [0, 9])
async def test_what_is_found_does_not_depend_on_how_frequent_the_words_are(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch, search_for: int
) -> None:
    for name, value in {"NEWEST": STEP, "RARE": 50, "SEARCH_FOR": search_for}.items():
        monkeypatch.setattr(f"search.finder.{name}", value)
    for seq in range(1, LONG + 1):
        await say(house.app[JOURNAL], "alice", text_of(seq))
    for query in (
        "always", "often", "rarely", "hardly", "once", "never", "always often", "often once",
        "rarely always", "hardly once", "once rarely often", "always never",
    ):  # fmt: skip
        words = set(query.split())
        expected = [seq for seq in range(LONG, 0, -1) if words <= set(text_of(seq).split())]
        pages = [await search(alice, query)]
        while path := pages[-1].older:
            pages.append(Finds(await alice.page(path)))
        assert [link for page in pages for link in page.links] == [
            f"/?around={seq}#m{seq}" for seq in expected
        ], query


async def test_a_rare_word_stays_rare_however_many_changes_there_are(
    open_house: OpenHouse, db: MotorDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"NEWEST": 0, "RARE": 50, "SEARCH_FOR": 0}.items():
        monkeypatch.setattr(f"search.finder.{name}", value)
    house = await open_house()
    alice, length = await house.sign_in("alice"), STEP + 10
    await alice.write(*("needle" if number in (3, 7) else "hay" for number in range(length)))
    await house.server.close()
    change = {"of": 1, "message_seq": 0, "user": "x", "user_id": "x"}
    for start in range(length + 1, length + 2001, 500):
        seqs = range(start, start + 500)
        await db[MESSAGE_COLLECTION].insert_many(
            {**change, "seq": seq, "key": f"change:x:{seq}"} for seq in seqs
        )
    again = await present(await open_house(), held_by(alice))
    assert (await search(again, "needle")).links == ["/?around=8#m8", "/?around=4#m4"]


async def test_a_search_without_an_end_offers_to_go_on(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"NEWEST": 0, "RARE": 1, "SEARCH_FOR": 0}.items():
        monkeypatch.setattr(f"search.finder.{name}", value)
    for seq in range(STEP + 1):
        await say(house.app[JOURNAL], "alice", ("one", "two")[seq % 2])
    page = await alice.page("/search?q=one+two")
    assert "Nothing found so far." in page
    assert "Search older messages" in page
    older = Finds(page).older
    assert older == "/search?q=one+two&before=2"
    assert "There are no older messages." in await alice.page(older)


async def test_who_searches_too_fast_has_to_wait(
    open_house: OpenHouse, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.finder.SEARCHES", SEARCHES)
    house = await open_house()
    alice, bob = await house.sign_in("alice"), await house.sign_in("bob")
    responses = [await alice.get("/search?q=word") for _ in range(SEARCHES[0] + 1)]
    assert [response.status for response in responses] == [200] * SEARCHES[0] + [429]
    assert "Retry-After" in responses[-1].headers
    assert (await FormPage.read(responses[-1])).error_field == "q"
    assert (await bob.get("/search?q=word")).status == 200


async def test_searches_take_turns_and_those_of_too_many_people_are_sent_away(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", PATIENCE)
    await alice.write("word")
    people = [await house.sign_in(f"user{number}") for number in range(QUEUE + 1)]
    finder = house.app[FINDER]
    async with finder._turn:
        waiting = [asyncio.create_task(search(person, "word")) for person in people]
        await until(lambda: finder._waiting == QUEUE + 1)
        refused = await alice.get("/search?q=word")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "3")
        assert "Too busy" in (await FormPage.read(refused)).error
        await alice.write("nobody who talks has to wait")
    for page in await asyncio.gather(*waiting):
        assert page.texts == ["word"]
    assert (await search(alice, "word")).texts == ["word"]


async def test_people_who_search_for_much_at_once_send_nobody_else_away_and_go_in_rotation(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", PATIENCE)
    people = [await house.sign_in(login) for login in ("bob", "carol", "dave")]
    finder, order = house.app[FINDER], list[str]()
    find_words = finder._find

    async def find(words: list[str], before: int | None) -> Found:
        order.append(words[0])
        return await find_words(words, before)

    monkeypatch.setattr(finder, "_find", find)
    async with finder._turn:
        logins = ("bob", "carol", "dave")
        floods = [
            asyncio.create_task(search(person, login))
            for person, login in zip(people, logins, strict=True)
            for _ in range(8)
        ]
        await until(lambda: finder._waiting == 3)
        floods.append(asyncio.create_task(search(alice, "alice")))
        await until(lambda: finder._waiting == 4)
    await asyncio.gather(*floods)
    assert order.index("alice") <= 3
    assert {login: order.count(login) for login in logins} == dict.fromkeys(logins, 8)
    for begin in range(4, 16, 3):
        assert set(order[begin : begin + 3]) == set(logins)


async def test_a_search_that_takes_too_long_is_given_up(
    house: House, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", 1)  # enough to look the session up
    async with house.app[FINDER]._turn:
        response = await alice.get("/search?q=word")
    assert response.status == 503
    assert "be used for the moment" in (await FormPage.read(response)).error
    monkeypatch.setattr("storage.database.CALL_TIMEOUT", CALL_TIMEOUT)
    assert (await search(alice, "word")).texts == []
