"""The environment: what each variable takes, and what stops the start."""

import os
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import StartError, load_settings

ATLAS = "mongodb+srv://chat:s3cret-w0rd@cluster.example.net/talk"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """An environment with nothing in it, and a folder without `.env`."""
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    return environment


def test_without_any_variable_the_chat_runs_on_this_machine_only() -> None:
    assert load_settings() == settings.Settings()
    assert load_settings().SITE_HOST == "127.0.0.1"
    assert load_settings().SITE_PORT == 8080
    assert not load_settings().DEBUG


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("DEBUG", "true", "DEBUG", True),
        ("DEBUG", " true", "DEBUG", True),
        ("DEBUG", "YES", "DEBUG", True),
        ("DEBUG", "on", "DEBUG", True),
        ("DEBUG", "1", "DEBUG", True),
        ("DEBUG", "False", "DEBUG", False),
        ("DEBUG", "no", "DEBUG", False),
        ("DEBUG", "off", "DEBUG", False),
        ("DEBUG", "0", "DEBUG", False),
        ("DEBUG", "", "DEBUG", False),
        ("HOST", "0.0.0.0", "SITE_HOST", "0.0.0.0"),
        ("HOST", "::1", "SITE_HOST", "::1"),
        ("PORT", "80", "SITE_PORT", 80),
        ("PORT", "0", "SITE_PORT", 0),
        ("PORT", "65535", "SITE_PORT", 65535),
        ("PORT", " ", "SITE_PORT", 8080),
        ("SECRET_KEY", "some secure key", "SECRET_KEY", ("some secure key",)),
        ("SECRET_KEY", "new key!, old key!", "SECRET_KEY", ("new key!", "old key!")),
        ("SECRET_KEY", "ключ ключ", "SECRET_KEY", ("ключ ключ",)),
        ("SECRET_KEY", "{{8vJ}}x!#%'", "SECRET_KEY", ("{{8vJ}}x!#%'",)),
        ("MONGO_HOST", "mongodb://127.0.0.1", "MONGO_HOST", "mongodb://127.0.0.1"),
        ("MONGO_HOST", ATLAS, "MONGO_HOST", ATLAS),
        ("MONGO_DB_NAME", "my_chat-2", "MONGO_DB_NAME", "my_chat-2"),
        ("DATA_DIR", "/srv/chat", "DATA_DIR", Path("/srv/chat")),
        ("PUBLIC_ORIGINS", "https://a.example", "PUBLIC_ORIGINS", ("https://a.example",)),
        (
            "PUBLIC_ORIGINS",
            "https://A.example, http://b.example:8080",
            "PUBLIC_ORIGINS",
            ("https://a.example", "http://b.example:8080"),
        ),
        ("TRUSTED_PROXIES", "2", "TRUSTED_PROXIES", 2),
        ("SECURE_COOKIES", "true", "SECURE_COOKIES", True),
        ("MESSAGES_PER_SECOND", "0", "MESSAGES_PER_SECOND", 0),
        ("SOCKETS_PER_USER", "3", "SOCKETS_PER_USER", 3),
        ("REGISTRATIONS_PER_HOUR", "1000", "REGISTRATIONS_PER_HOUR", 1000),
        ("MODERATORS", "alice", "MODERATORS", ("alice",)),
        ("MODERATORS", " alice,Боб ", "MODERATORS", ("alice", "Боб")),
        ("MODERATORS", " ", "MODERATORS", ()),
    ],
)
def test_a_good_value_is_taken(
    environment: dict[str, str], name: str, text: str, field: str, value: Any
) -> None:
    environment[name] = text
    assert getattr(load_settings(), field) == value


def test_a_relative_folder_for_data_lies_beside_the_chat(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment["DATA_DIR"] = "elsewhere"
    assert load_settings().DATA_DIR.relative_to(tmp_path) == Path("elsewhere")


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("DEBUG", "maybe", "true or false"),
        ("DEBUG", "2", "true or false"),
        ("PORT", "abc", "number from 0 to 65535"),
        ("PORT", "-1", "number from 0 to 65535"),
        ("PORT", "65536", "number from 0 to 65535"),
        ("PORT", "80.5", "number from 0 to 65535"),
        ("PORT", "9" * 5000, "number from 0 to 65535"),
        ("PORT", "{{PORT}}", "number from 0 to 65535"),
        ("MONGO_DB_NAME", "a.b", "letters, digits"),
        ("MONGO_DB_NAME", "a b", "letters, digits"),
        ("MONGO_DB_NAME", "$a", "letters, digits"),
        ("MONGO_DB_NAME", "x" * 64, "letters, digits"),
        ("PUBLIC_ORIGINS", "chat.example.com", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://chat.example.com/", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://chat.example.com/chat", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "ws://chat.example.com", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://a.example https://b.example", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://a.example,", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://[", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://me@a.example", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "https://a.example:port", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "*", "https://chat.example.com"),
        ("PUBLIC_ORIGINS", "null", "https://chat.example.com"),
        ("TRUSTED_PROXIES", "yes", "number from 0 to 10"),
        ("TRUSTED_PROXIES", "-1", "number from 0 to 10"),
        ("SECURE_COOKIES", "yep", "true or false"),
        ("MESSAGES_PER_SECOND", "fast", "whole number"),
        ("MESSAGES_PER_SECOND", "-5", "whole number"),
        ("SOCKETS_PER_USER", "1.5", "whole number"),
        ("REGISTRATIONS_PER_HOUR", "∞", "whole number"),
        ("MODERATORS", "alice,", "list logins"),
        ("MODERATORS", "alice bob", "list logins"),
        ("MODERATORS", "alice@example.com", "list logins"),
    ],
)
def test_a_bad_value_stops_the_start_with_its_name_and_a_remedy(
    environment: dict[str, str], name: str, text: str, remedy: str
) -> None:
    environment[name] = text
    with pytest.raises(StartError) as stop:
        load_settings()
    sentence = str(stop.value)
    assert sentence.startswith(f"{name}={text!r} is not valid: ")
    assert remedy in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "secret", "remedy"),
    [
        ("SECRET_KEY", "s3cret", "8 characters"),
        ("SECRET_KEY", "a long one which is good,s3cret", "8 characters"),
        ("SECRET_KEY", "a long one which is good,", "8 characters"),
        ("MONGO_HOST", "chat:s3cret@cluster.example.net", "mongodb://"),
        ("MONGO_HOST", "postgres://chat:s3cret@db.example.net", "mongodb://"),
    ],
)
def test_a_bad_secret_is_named_and_not_shown(
    environment: dict[str, str], name: str, secret: str, remedy: str
) -> None:
    environment[name] = secret
    with pytest.raises(StartError) as stop:
        load_settings()
    sentence = str(stop.value)
    assert sentence.startswith(f"{name}=(not shown) is not valid: ")
    assert remedy in sentence
    assert "s3cret" not in sentence
    assert "good" not in sentence


def test_envfile_lies_beneath_the_environment(environment: dict[str, str], tmp_path: Path) -> None:
    environment["PORT"] = "9000"
    (tmp_path / ".env").write_text('PORT=8000\nHOST=::1\nSECRET_KEY="of the file"\n# DEBUG=true\n')
    loaded = load_settings()
    assert loaded.SITE_PORT == 9000
    assert loaded.SITE_HOST == "::1"
    assert loaded.SECRET_KEY == ("of the file",)
    assert not loaded.DEBUG


@pytest.mark.parametrize("content", [b"SECRET_KEY='s3cret", b"SECRET_KEY=s3cret\xff"])
def test_an_envfile_that_cannot_be_read_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(StartError) as stop:
        load_settings()
    assert str(tmp_path / ".env") in str(stop.value)
    assert "s3cret" not in str(stop.value)


def test_a_dyno_is_served_to_everybody_behind_one_proxy_over_tls(
    environment: dict[str, str],
) -> None:
    environment.update(DYNO="web.1", PORT="5000", MONGO_HOST=ATLAS, SECRET_KEY="a key of heroku")
    loaded = load_settings()
    assert loaded.SITE_HOST == "0.0.0.0"
    assert loaded.SITE_PORT == 5000
    assert loaded.TRUSTED_PROXIES == 1
    assert loaded.SECURE_COOKIES


def test_a_dyno_s_defaults_can_be_changed(environment: dict[str, str]) -> None:
    environment.update(DYNO="web.1", MONGO_HOST=ATLAS, SECRET_KEY="a key of heroku")
    environment.update(HOST="127.0.0.1", TRUSTED_PROXIES="2", SECURE_COOKIES="false")
    loaded = load_settings()
    assert (loaded.SITE_HOST, loaded.TRUSTED_PROXIES, loaded.SECURE_COOKIES) == (
        "127.0.0.1",
        2,
        False,
    )


@pytest.mark.parametrize("missing", ["MONGO_HOST", "SECRET_KEY"])
@pytest.mark.parametrize("text", [None, "", " "])
def test_a_dyno_refuses_to_start_without_what_outlives_it(
    environment: dict[str, str], missing: str, text: str | None
) -> None:
    environment.update(DYNO="web.1", MONGO_HOST=ATLAS, SECRET_KEY="a key of heroku")
    del environment[missing]
    if text is not None:
        environment[missing] = text
    with pytest.raises(StartError) as stop:
        load_settings()
    assert str(stop.value).startswith(f"{missing} is not set")
    assert "heroku config:set" in str(stop.value)
    assert "s3cret" not in str(stop.value)
