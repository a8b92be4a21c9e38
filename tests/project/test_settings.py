"""The environment: what each variable takes, and what stops the start."""

import errno
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import ROOT, StartError, load_settings, variables
from storage.mongodb import connect

ATLAS = "mongodb+srv://chat:s3cret-w0rd@cluster.example.net/talk"
DYNO = {"DYNO": "web.1", "MONGO_HOST": ATLAS, "SECRET_KEY": "a key of heroku"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """An environment with nothing in it, and a folder without `.env`."""
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    return environment


def refusal() -> str:
    """Return why the settings are not taken."""
    with pytest.raises(StartError) as stop:
        load_settings()
    return str(stop.value)


def test_without_any_variable_the_chat_runs_on_this_machine_only() -> None:
    assert load_settings() == settings.Settings()
    assert load_settings().SITE_HOST == "127.0.0.1"
    assert load_settings().SITE_PORT == 8080
    assert not load_settings().DEBUG


GOOD: dict[str, dict[str, Any]] = {
    "DEBUG": {
        **dict.fromkeys(("true", " true", "YES", "on", "1"), True),
        **dict.fromkeys(("False", "no", "off", "0", ""), False),
    },
    "LOG_FORMAT": {"text": "text", " json ": "json", "": "text"},
    "HOST": {"0.0.0.0": "0.0.0.0", "::1": "::1"},
    "PORT": {"80": 80, "0": 0, "65535": 65535, " ": 8080},
    "SECRET_KEY": {
        "some secure key": ("some secure key",),
        "new key!, old key!": ("new key!", "old key!"),
        "ключ ключ": ("ключ ключ",),
        "{{8vJ}}x!#%'": ("{{8vJ}}x!#%'",),
    },
    "MONGO_HOST": {"mongodb://127.0.0.1": "mongodb://127.0.0.1", ATLAS: ATLAS},
    "REDIS_URL": {
        "redis://localhost:6379/0": "redis://localhost:6379/0",
        " rediss://:key@redis.example.com:6380 ": "rediss://:key@redis.example.com:6380",
    },
    "SESSION_STORAGE": {"cookie": "cookie"},
    "REDIS_VERIFY": {"false": False, "": True},
    "MONGO_DB_NAME": {"my_chat-2": "my_chat-2", " chat ": "chat"},
    "DATA_DIR": {"/srv/chat": Path("/srv/chat")},
    "METRICS_TOKEN": {" 0123456789abc-._~+/= ": "0123456789abc-._~+/="},
    "PUBLIC_ORIGINS": {
        "https://a.example": ("https://a.example",),
        "https://A.example, http://b.example:8080": ("https://a.example", "http://b.example:8080"),
    },
    "TRUSTED_PROXIES": {"2": 2},
    "SECURE_COOKIES": {"true": True},
    "MESSAGES_PER_SECOND": {"0": 0},
    "MESSAGE_LENGTH": {"": 10_000, "100": 100, " 40000 ": 40_000},
    "SOCKETS_PER_USER": {"3": 3},
    "REGISTRATIONS_PER_HOUR": {"1000": 1000},
    "REGISTRATION": {" invite ": "invite", "closed": "closed"},
    "MODERATORS": {"alice": ("alice",), " alice,Боб ": ("alice", "Боб"), " ": ()},
    "ROOM_NAME": {" The attic ": "The attic"},
    "ROOM_COLOR": {" #0a7D55 ": "#0a7D55", "": ""},
}
FIELDS = {"HOST": "SITE_HOST", "PORT": "SITE_PORT"}  # all others are called as their variables


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [(name, text, value) for name, values in GOOD.items() for text, value in values.items()],
)
def test_a_good_value_is_taken(
    environment: dict[str, str], name: str, text: str, value: Any
) -> None:
    environment[name] = text
    assert getattr(load_settings(), FIELDS.get(name, name)) == value


def test_a_relative_folder_for_data_lies_beside_the_chat(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment["DATA_DIR"] = "elsewhere"
    assert load_settings().DATA_DIR.relative_to(tmp_path) == Path("elsewhere")


BAD: dict[tuple[str, str], list[str]] = {  # variable and remedy
    ("DEBUG", "true or false"): ["maybe", "2"],
    ("PORT", "number from 0 to 65535"): [
        "abc", "-1", "65536", "70000", "80.5", "9" * 5000, "{{PORT}}",
    ],
    ("MONGO_DB_NAME", "letters, digits"): ["a.b", "a b", "$a", "x" * 64],
    ("PUBLIC_ORIGINS", "https://chat.example.com"): [
        "chat.example.com", "https://chat.example.com/", "https://chat.example.com/chat",
        "ws://chat.example.com", "https://a.example https://b.example", "https://a.example,",
        "https://", "https://[", "https://me@a.example", "https://a.example:port", "*", "null",
    ],
    ("TRUSTED_PROXIES", "number from 0 to 10"): ["yes", "-1"],
    ("SECURE_COOKIES", "true or false"): ["yep"],
    ("SESSION_STORAGE", "cookie or redis"): ["disk"],
    ("REGISTRATION", "open, invite or closed"): ["yes", "Open", "invited"],
    ("LOG_FORMAT", "text or json"): ["xml", "JSON"],
    ("MESSAGES_PER_SECOND", "whole number"): ["fast", "-5"],
    ("MESSAGE_LENGTH", "number from 100 to 40000"): ["0", "99", "40001", "10,000", "1e4", "-500"],
    ("SOCKETS_PER_USER", "whole number"): ["1.5"],
    ("REGISTRATIONS_PER_HOUR", "whole number"): ["∞"],
    ("MODERATORS", "list logins"): ["alice,", "alice bob", "alice@example.com"],
    ("ROOM_NAME", "40 characters"): ["x" * 41, "two\nlines"],
    ("ROOM_COLOR", "six digits"): [
        "red", "#abc", "0a7d55", "#0a7d5g", "#0a7d55ff", "rgb(0 0 0)", "#٠٠٠٠٠٠", "#fff}*{}",
    ],
    ("ROOM_LOGO", "no such file"): ["nowhere.svg", ".", "a\0b.svg"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [(name, text, remedy) for (name, remedy), texts in BAD.items() for text in texts],
)
def test_a_bad_value_stops_the_start_with_its_name_and_a_remedy(
    environment: dict[str, str], name: str, text: str, remedy: str
) -> None:
    environment[name] = text
    sentence = refusal()
    assert sentence.startswith(f"{name}={text!r} is not valid: ")
    assert remedy in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "secret", "remedy"),
    [
        ("SECRET_KEY", "short", "8 characters"),
        ("SECRET_KEY", "s3cret", "8 characters"),
        ("SECRET_KEY", "a long one which is good,s3cret", "8 characters"),
        ("SECRET_KEY", "a long one which is good,", "8 characters"),
        ("METRICS_TOKEN", "s3cret-15-chars", "16 letters"),
        ("METRICS_TOKEN", "s3cret with a blank", "16 letters"),
        ("METRICS_TOKEN", "s3cret-ключ-ключ-ключ", "16 letters"),
        ("MONGO_HOST", "localhost:27017", "mongodb://"),
        ("MONGO_HOST", "chat:s3cret@cluster.example.net", "mongodb://"),
        ("MONGO_HOST", "postgres://chat:s3cret@db.example.net", "mongodb://"),
        ("REDIS_URL", "localhost:6379", "redis://"),
        ("REDIS_URL", "redis://:s3cret@redis.example.net:notaport", "redis://"),
        ("REDIS_URL", "http://:s3cret@redis.example.net", "redis://"),
    ],
)
def test_a_bad_secret_is_named_and_not_shown(
    environment: dict[str, str], name: str, secret: str, remedy: str
) -> None:
    environment[name] = secret
    sentence = refusal()
    assert sentence.startswith(f"{name}=(not shown) is not valid: ")
    assert remedy in sentence
    assert "s3cret" not in sentence
    assert "good" not in sentence


PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x30"
SVG_ROOT = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (SVG_ROOT, "svg"),
        (b'<?xml version="1.0"?>\n<!-- Made by hand -->\n' + SVG_ROOT, "svg"),
        (SVG_ROOT.decode().encode("utf-16"), "svg"),
        (b"<!DOCTYPE svg>" + SVG_ROOT + b" " * (100_000 - 14 - len(SVG_ROOT)), "svg"),
        ((ROOT / "static/img/icon-192.png").read_bytes(), "png"),
    ],
)
def test_a_logo_is_read_whatever_its_file_is_called(
    environment: dict[str, str], tmp_path: Path, content: bytes, kind: str
) -> None:
    (tmp_path / "our logo.jpg").write_bytes(content)
    for name in ("our logo.jpg", str(tmp_path / "our logo.jpg")):
        environment["ROOM_LOGO"] = name
        logo = load_settings().ROOM_LOGO
        assert logo == settings.Logo(kind, content)


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"", "PNG or an SVG"),
        (b"\xff\xd8\xff\xe0 a photograph", "PNG or an SVG"),
        (b"<svg/>", "PNG or an SVG"),  # browsers need the namespace
        (b"<html xmlns='http://www.w3.org/1999/xhtml'/>", "PNG or an SVG"),
        (SVG_ROOT[:-1], "PNG or an SVG"),
        (b'<?xml version="1.0" encoding="x-none"?>' + SVG_ROOT, "PNG or an SVG"),
        (PNG_START, "PNG or an SVG"),  # cut off
        (PNG_START[:16] + b"IEND", "PNG or an SVG"),
        (b" " * (100_001 - len(SVG_ROOT)) + SVG_ROOT, "at most 100 kB"),
    ],
)
def test_a_file_that_is_no_logo_stops_the_start(
    environment: dict[str, str], tmp_path: Path, content: bytes, remedy: str
) -> None:
    (tmp_path / "logo.svg").write_bytes(content)
    environment["ROOM_LOGO"] = "logo.svg"
    assert refusal().startswith("ROOM_LOGO='logo.svg' is not valid: ")
    assert remedy in refusal()


def test_a_logo_of_somebody_else_and_a_pipe_stop_the_start(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.svg")
    environment["ROOM_LOGO"] = "pipe.svg"
    assert "no such file" in refusal()

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "logo.svg").write_bytes(SVG_ROOT)
    environment["ROOM_LOGO"] = "logo.svg"
    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read: Permission denied" in refusal()


@pytest.mark.parametrize(
    ("line", "colour"),
    [("#0a7d55", "#0a7d55"), ("#0a7d55 # green", "#0a7d55"), ("'#0a7d55'", "#0a7d55"),
     ("# like the doors", "")],
)  # fmt: skip
def test_a_colour_in_the_envfile_needs_no_quotes(tmp_path: Path, line: str, colour: str) -> None:
    (tmp_path / ".env").write_text(f"ROOM_COLOR={line}\nROOM_NAME=Doors\n")
    found = load_settings().ROOM_COLOR
    assert found == colour
    assert load_settings().ROOM_NAME == "Doors"


def test_a_colour_in_the_environment_comes_before_that_of_the_envfile(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("ROOM_COLOR=#0a7d55\n")
    environment["ROOM_COLOR"] = "#aa0000"
    assert load_settings().ROOM_COLOR == "#aa0000"


def test_sessions_in_redis_need_a_redis(environment: dict[str, str]) -> None:
    environment["SESSION_STORAGE"] = "redis"
    assert refusal() == "SESSION_STORAGE=redis needs a Redis: set REDIS_URL."
    environment["REDIS_URL"] = "redis://localhost:6379/0"
    assert load_settings().SESSION_STORAGE == "redis"


def test_an_address_that_the_driver_does_not_take_is_refused_without_its_password() -> None:
    with pytest.raises(StartError) as stop:
        connect("mongodb://alice:s3cr3t@host:notaport/")
    assert "MONGO_HOST" in str(stop.value)
    assert "s3cr3t" not in str(stop.value)


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
    sentence = refusal()
    assert str(tmp_path / ".env") in sentence
    assert "s3cret" not in sentence


def test_an_envfile_of_somebody_else_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, encoding: str) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / ".env").write_text("REGISTRATION=closed\n")
    monkeypatch.setattr(Path, "read_text", refuse)
    assert "Permission denied" in refusal()


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"PORT": "5000"}, ("0.0.0.0", 5000, 1, True)),
        (
            {"HOST": "127.0.0.1", "TRUSTED_PROXIES": "2", "SECURE_COOKIES": "false"},
            ("127.0.0.1", 8080, 2, False),
        ),
    ],
)
def test_a_dyno_is_served_to_everybody_behind_one_proxy_over_tls_unless_told_otherwise(
    environment: dict[str, str], changes: dict[str, str], values: tuple[object, ...]
) -> None:
    environment.update(DYNO | changes)
    loaded = load_settings()
    assert values == (
        loaded.SITE_HOST, loaded.SITE_PORT, loaded.TRUSTED_PROXIES, loaded.SECURE_COOKIES
    )  # fmt: skip


@pytest.mark.parametrize("text", [None, "", " "])
@pytest.mark.parametrize(
    "missing", [["MONGO_HOST"], ["SECRET_KEY"], ["MONGO_HOST", "SECRET_KEY"]], ids=" and ".join
)
def test_a_dyno_refuses_to_start_without_what_outlives_it(
    environment: dict[str, str], missing: list[str], text: str | None
) -> None:
    changes = {} if text is None else dict.fromkeys(missing, text)
    environment.update({name: DYNO[name] for name in DYNO.keys() - set(missing)} | changes)
    sentence = refusal()
    assert sentence.startswith(f"{missing[0]} is not set")
    assert "heroku config:set" in sentence
    assert "s3cret" not in sentence


def test_app_json_names_what_heroku_has_to_ask_for() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert app["env"]["SECRET_KEY"]["generator"] == "secret"
    assert app["env"]["MONGO_HOST"]["required"] is True
    assert set(app) <= {"name", "description", "keywords", "formation", "env"}
    for variable in app["env"].values():
        assert set(variable) <= {"description", "value", "required", "generator"}


@pytest.mark.parametrize(
    ("options", "path"), [([], ".env.example"), (["--markdown"], "docs/settings.md")]
)
def test_what_operators_read_is_what_the_command_prints(options: list[str], path: str) -> None:
    command = [sys.executable, str(ROOT / "app.py"), "settings", *options]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert printed == (ROOT / path).read_bytes(), "run `make settings`"


def test_every_setting_is_explained() -> None:
    names = [variable.name for variable in variables()]
    assert re.findall(r"^# .+\n(\w+)=", (ROOT / ".env.example").read_text(), re.M) == names
    page = (ROOT / "docs" / "settings.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|.* [^|]+\. \|$", page, re.M) == names


def test_the_example_sets_what_is_the_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes((ROOT / ".env.example").read_bytes())
    assert load_settings() == replace(settings.Settings(), DATA_DIR=tmp_path / "data")


@pytest.mark.parametrize(
    ("names", "mode"),
    [([], 0o700), (["secret_key"], 0o700), (["lock", "chat.db"], 0o700), (["diary.txt"], 0o755)],
)
def test_a_folder_of_ours_is_closed_to_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: list[str], mode: int
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    for name in names:
        (folder / name).touch()
    settings.make_data_dir(folder)
    assert folder.stat().st_mode & 0o777 == mode
    assert (f"others may enter DATA_DIR={folder}" in caplog.text) is (mode == 0o755)


def test_a_folder_of_somebody_else_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(folder: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, "not the owner")

    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refuse)
    settings.make_data_dir(folder)
    assert f"others may enter DATA_DIR={folder}" in caplog.text
