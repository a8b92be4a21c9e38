"""Creating an account, and what is said when that can't be."""

import asyncio
import hashlib
from typing import Any

import pytest

from auth.logins import LOOK_VERSION, SEQUENCES, _prototypes
from auth.passwords import MEMORY_KIB
from chat.entry import DELETED_USER
from tests.support.accounts import (
    COMMON,
    EXISTS,
    FILL,
    REGISTRATION,
    SAME,
    accounts,
    refused,
    signed_in_as,
)
from tests.support.house import House
from tests.support.people import PASSWORD, Person


async def test_password_is_stored_as_an_argon2id_hash_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.passwords.MEMORY_KIB", MEMORY_KIB)  # as it is outside of tests
    await house.sign_in("alice")
    [user] = await accounts(house)
    assert user["password"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in str(user)
    assert user["created"].tzinfo is not None


BAD_LOGIN = "A login has 3 to 32 letters of one script, digits, or _ . -"
BAD_EMAIL = "This is not an e-mail address"


def both(password: str) -> dict[str, str]:
    """Return the fields of a password typed twice."""
    return {"password": password, "password2": password}


REFUSED_REGISTRATIONS: list[tuple[dict[str, Any], int, str, str]] = [
    *(({name: None}, 400, name, FILL) for name in ("login", "email", "password")),
    *(({"login": login}, 400, "login", FILL) for login in ("", " \t")),
    ({"password2": ""}, 400, "password", SAME),
    ({"password2": "something else"}, 400, "password", SAME),
    ({**both("seven77")}, 400, "password", "Password must have at least 8 characters"),
    ({**both("1" * 257)}, 400, "password", "Password must have at most 256 characters"),
    *(
        ({**both(password)}, 400, "password", COMMON)
        for password in ("password", "PassWord", "ｐａｓｓｗｏｒｄ", "abababab", "Bob@Example.com")
    ),
    ({"login": "robert.1", **both("Robert.1")}, 400, "password", COMMON),
    *(
        ({"login": login}, 400, "login", BAD_LOGIN)
        for login in (
            *(
                "ab",
                "a" * 33,
                "a" * 20_000,
                "bob@example",
                "bob＠example",
                "bob smith",
                "bob\nsmith",
            ),
            *("alicе", "Аlice", "aliceαβ", "aliceدود", "alice田", "한글ひらがな", "ひらがなαβ"),
            *("王", "ᚠᚢᚦ", "\u0301\u0301\u0301", "a\u0336bc", "a\u20d2bc"),
            *("abc\u3164", "ʙᴏʙ"),
            *(
                "admin\ufe0f",
                "ad\u034fmin",
                "ad\U000e0100min",
                "j\u0307oe",
                "محـمد",
                "bobː",
                "adーmin",
            ),
            *("z\u0308\u0304\u0301oe", "bob\u0e38", "ーab"),
            *("bob\x00", "bob\u202e", "bob\u200d"),
            *("x) hi (admin", "<b>bob</b>", '"onfocus="alert(1)'),
        )
    ),
    *(
        ({"email": email}, 400, "email", BAD_EMAIL)
        for email in (
            *("bob", "@", "bob@a@b", "b ob@example.com", "b" * 243 + "@example.com"),
            *("bob\x00@example.com", "bob\u202e@example.com"),
        )
    ),
    *(({"login": login}, 409, "login", EXISTS) for login in ("alice", "ALICE", "ａｌｉｃｅ")),
    ({"email": "alice@example.com"}, 409, "email", EXISTS),
    ({"email": "Alice@EXAMPLE.com"}, 409, "email", EXISTS),
]


@pytest.mark.parametrize(("changes", "status", "field", "error"), REFUSED_REGISTRATIONS)
@pytest.mark.usefixtures("alice")
async def test_a_refused_registration_keeps_what_was_typed_and_says_why(
    house: House, visitor: Person, changes: dict[str, Any], status: int, field: str, error: str
) -> None:
    form = {k: v for k, v in (REGISTRATION | changes).items() if v is not None}
    page = await refused(visitor, "/signin", form, status, error)
    assert (page.error_field, page.marked) == (field, [field])
    for name in ("login", "email"):
        if "\x00" not in (typed := form.get(name, "")):  # HTML has none
            assert page.value(name) == typed
    assert page.value("password") is None
    assert "password2" not in page.inputs
    assert len(await accounts(house)) == 1


@pytest.mark.parametrize(
    ("login", "stored"),
    [
        *((login, login) for login in ("bob", "B.o-b_1", "123", "x" * 32, "Zoë", "Straße", "Žižek",
          "Алиса", "Ёж_1", "Ґанок", "і" * 32, "Νίκος", "Ștefan", "Nguyễn", "山田太郎", "דוד",
          "محمد", "김민준", "王伟", "さくら_1", "山田さくら", "राहुल", "ฐิติ", "გიორგი", "Արամ",
          "မြို့လေး", "さとー")),
        ("Zoe\u0308", "Zoë"), ("ａｌｉｃｅ", "alice"), ("  alice  ", "alice"),
    ],
)  # fmt: skip
async def test_logins_may_be_of_any_one_script(house: House, login: str, stored: str) -> None:
    person = await house.visitor()
    response = await person.register(login, email="a@b")
    assert (response.status, response.headers["Location"]) == (303, "/")
    assert await signed_in_as(person) == stored
    assert (await (await house.visitor()).log_in(login)).status == 303


@pytest.mark.parametrize(
    ("login", "variant"),
    [
        ("zoë", "ZOE\u0308"),
        ("Illia", "illia"),
        ("straße", "STRASSE"),
        ("алиса", "АЛИСА"),
        ("bob.1", "ｂｏｂ．１"),
    ],
)
async def test_variants_of_a_login_are_one_login(house: House, login: str, variant: str) -> None:
    assert (await (await house.visitor()).register(login, email="a@b")).status == 303
    assert (await (await house.visitor()).register(variant, email="c@d")).status == 409
    assert (await (await house.visitor()).log_in(variant)).status == 303


@pytest.mark.parametrize(
    ("login", "other"),
    [("allce", "al1ce"), ("pace", "расе"), ("soso", "ѕоѕо"), ("bob0", "bobo"), ("ρορορ", "popop"),
     ("HOPE", "НОРЕ"), ("paypal", "paypaI"), ("morris", "rnorris"),
     ("工工工", "エエエ")],
)  # fmt: skip
async def test_a_login_that_looks_like_another_is_refused(
    house: House, login: str, other: str
) -> None:
    """https://www.unicode.org/reports/tr39/#Confusable_Detection"""
    assert (await (await house.visitor()).register(login, email="a@b")).status == 303
    visitor = await house.visitor()
    form = REGISTRATION | {"login": other, "email": "c@d"}
    page = await refused(visitor, "/signin", form, 409, EXISTS)
    assert page.error_field == "login"
    assert (await visitor.log_in(other)).status == 401


ALIKE = {
    "accents of two scripts": [
        ("josé", "јоѕе\u0301"), ("nõu", "ոօ\u0303ս"), ("pëxö", "рёхӧ"), ("oço", "ос\u0327о"),
        ("ápo", "α\u0301ρο"), ("opà", "ора\u0300"), ("sǎo", "ѕа\u0306о"), ("hōpo", "һо\u0304ро"),
        ("ōnō", "օ\u0304ոօ\u0304"), ("ŝo-ŝo", "ѕ\u0302о-ѕ\u0302о"), ("nóu", "ոօ\u0301ս"),
    ],
    "marks": [
        ("Ștefan", "Ştefan"), ("e\u0302\u0323co", "е\u0323\u0302со"), ("ǘna", "u\u0301\u0308na"),
        ("กิ่ง", "ก่ิง"), ("กุกุ", "กุุกุ"), ("ábel", "a\u064ebel"), ("ị\u0307ris", "ịris"),
        ("ı\u0307vo", "ivo"), ("Iïs", "lïs"), ("ǔpo", "ŭpo"),
    ],
    "kana": [
        ("べん", "ベん"), ("へりへ", "ヘリヘ"), ("ぺり", "ペり"), ("がめら", "ガめら"),
        ("もや", "モヤ"), ("ﾘﾝｺﾞ", "りンゴ"), ("ロ二", "口ニ"), ("カ一", "力ー"),
    ],
    "Arabic": [
        ("ياسر", "یاسر"), ("كريم", "کریم"), ("مهدي", "مہدی"), ("علي", "على"), ("ڪمال", "كمال"),
        ("فريد", "\u06a7رید"), ("ﻛﺎﻣﻞ", "کامل"),
    ],
    "several letters like one": [
        ("owner", "ovvner"), ("OWNER2", "OVVNER2"), ("clara", "dara"), ("cleo", "Deo"),
        ("edie", "ec1ie"), ("wvw", "vwvv"), ("cæsar", "caesar"), ("แดง", "เเดง"), ("ແມວ", "ເເມວ"),
        ("आशा", "अाशा"), ("ओम्क", "अाेम्क"), ("कोल", "काेल"), ("ආරි", "අාරි"), ("កស្តា", "កស្ដា"),
        ("까王", "ᄀ가王"),
    ],
    "case": [
        ("alice", "ALlCE"), ("erin", "ER1N"), ("igor", "lgor"), ("Ines", "lnes"), ("ivy", "1vy"),
        ("MIL0", "milo"), ("Ilia", "lIia"), ("KATI", "ΚΑΤΙ"), ("КІТ", "KIT"), ("clara", "C1ara"),
        ("Cleo", "cIeo"), ("arnold", "ARN0LD"), ("BJ0RN", "bjorn"),
    ],
    "letters drawn alike": [
        ("lisa", "ǀisa"), ("alba", "ɑlbɑ"), ("mary-ann", "maryꟷann"), ("lopa", "ӏора"),
        ("wow", "ωοω"), ("joe", "ȷoe"), ("greg", "ɡreɡ"), ("isi", "ɩsɩ"), ("ГАГА", "ΓΑΓΑ"),
        ("nun", "ոսո"), ("וויס", "װיס"),
    ],
    "compatibility": [
        ("fiona", "ﬁona"), ("lisl", "ℓisl"), ("日本", "⽇本"), ("豈王", "\uf900王"),
        ("1234", "１②3⁴"), ("kim", "\u212aim"), ("rob", "ʳob"),
        ("한글이", "한글이"), ("한글", "\u1112\u1161\u11ab글"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("pairs", ALIKE.values(), ids=ALIKE)
@pytest.mark.usefixtures("many_hashes")
async def test_however_letters_come_to_look_alike_one_login_has_them(
    house: House, pairs: list[tuple[str, str]]
) -> None:
    for number, (login, other) in enumerate(pairs):
        person, imitator = await house.visitor(), await house.visitor()
        assert (await person.register(login, email=f"{number}@a")).status == 303, login
        assert (await imitator.register(other, email=f"{number}@b")).status == 409, login


@pytest.mark.usefixtures("many_hashes")
async def test_names_that_do_not_look_alike_may_all_be_logins(house: House) -> None:
    names = (
        "Clara Dara Clive Dive Rnold Mold jose josé Müller Muller ali hal Mark Marc anna arma nina "
        "mina Iris mei mel Kai Kal KAY 1st さくら サクラ シマ ツマ Tom Том Анна Янна Нина علي علیا "
        "كريم محمد राम रमा แดง ดวง 김민 김빈 王伟 王玮 øre ore łukas lukas"
    )
    for number, login in enumerate(names.split()):
        person = await house.visitor()
        assert (await person.register(login, email=f"{number}@a")).status == 303, login


RESERVED = "The chat itself uses this word, please choose another login"


@pytest.mark.parametrize(
    "login",
    [DELETED_USER.replace(" ", between) for between in ("_", "-", ".", "", "ꟷ", "_-_")]
    + ["Deleted_User", "cleleted_user", "_deleted.user_", "ｄｅｌｅｔｅｄ_ｕｓｅｒ"]
    + ["moderator", "rnoderator", "Moderat0r", "the_operator", "0perator", "banned", "you", "y0u"]
    + ["all", "All", "ALL", "ALl", "a11", "al1", "a.l.l", "_all_", "ａｌｌ", "аӏӏ"],
)
async def test_what_a_page_shows_in_place_of_a_name_or_beside_one_is_no_login(
    visitor: Person, login: str
) -> None:
    form = REGISTRATION | {"login": login}
    page = await refused(visitor, "/signin", form, 400, RESERVED)
    assert page.error_field == "login"


def test_looks_that_change_have_a_new_version() -> None:
    """The chat makes those of old accounts anew at its start only if LOOK_VERSION is another."""
    table = f"{LOOK_VERSION} {sorted(_prototypes().items())} {SEQUENCES}"
    assert hashlib.sha256(table.encode()).hexdigest()[:16] == "23293117a7131d3a"


LOGINS = ["alice", "ALICE", "Alice", "ａｌｉｃｅ", "ＡＬＩＣＥ", "aLiCe", "ａlice", "alicＥ"]
ADDRESSES = ["me@example.com", "ME@example.com", "me@EXAMPLE.COM", "ｍe@example.com"]


@pytest.mark.parametrize(
    ("people", "key", "value"),
    [
        ([(LOGINS[n % 8], f"{n}@a.example") for n in range(100)], "login_key", "alice"),
        ([(f"user{n}", ADDRESSES[n % 4]) for n in range(40)], "email_key", "me@example.com"),
    ],
    ids=["a hundred of one login", "forty of one address"],
)
async def test_many_registrations_at_once_make_one_account(
    many_hashes: None, house: House, visitor: Person, people: list[tuple[str, str]], key: str,
    value: str,
) -> None:  # fmt: skip
    responses = await asyncio.gather(
        *(visitor.register(login, email=email) for login, email in people)
    )
    assert sorted(response.status for response in responses) == [303] + (len(people) - 1) * [409]
    [user] = await accounts(house)
    assert user[key] == value


@pytest.mark.parametrize(
    ("password", "typed"),
    [
        ("café au lait", "cafe\u0301 au lait"),
        *((password, password) for password in (" spaces around ", "tab\tnul\x00newline\n",
          "пароль из слов", "🔑🗝️🔒🔓 keys", "abc" + "d" * 253)),
    ],
)  # fmt: skip
async def test_a_password_may_be_of_any_characters(
    visitor: Person, password: str, typed: str
) -> None:
    assert (await visitor.register("alice", password=password)).status == 303
    await visitor.post("/signout")
    assert (await visitor.log_in("alice", typed)).status == 303
    await visitor.post("/signout")
    assert (await visitor.log_in("alice", typed[:-1])).status == 401
