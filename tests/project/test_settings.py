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
        "rediss://redis?timeout=5&ssl_cert_reqs=none": "rediss://redis?timeout=5&ssl_cert_reqs=none",
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
    "FILE_SIZE_LIMIT": {"0": 0, "500 kB": 500_000, "25MB": 25_000_000, " 1.5 gb ": 1_500_000_000},
    "FILES_PER_USER": {"": 1_000_000_000, "1000": 1000, "1 TB": 10**12},
    "FILES_IN_ALL": {"0 MB": 0, "12345678 B": 12_345_678},
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
    ("DATA_DIR", "write the whole path"): ["~/chat", "~", "$HOME/chat", "~chat/data"],
    ("TRUSTED_PROXIES", "number from 0 to 10"): ["yes", "-1"],
    ("SECURE_COOKIES", "true or false"): ["yep"],
    ("SESSION_STORAGE", "cookie or redis"): ["disk"],
    ("REGISTRATION", "open, invite or closed"): ["yes", "Open", "invited"],
    ("LOG_FORMAT", "text or json"): ["xml", "JSON"],
    ("MESSAGES_PER_SECOND", "whole number"): ["fast", "-5"],
    ("MESSAGE_LENGTH", "number from 100 to 40000"): ["0", "99", "40001", "10,000", "1e4", "-500"],
    ("FILE_SIZE_LIMIT", "such as 25 MB"): [
        "big", "-1", "25 MiB", "25 megabytes", "1e9", "1,5 MB", "1.1 TB", "9" * 500, "MB", "٢٥ MB",
    ],
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
        ("REDIS_URL", "redis://:s3cret@redis.example.net?tls=yes", "redis://"),
        ("REDIS_URL", "redis://:s3cret@redis.example.net?protocol=9", "redis://"),
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


def test_what_is_empty_in_the_environment_does_not_hide_what_the_envfile_says(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("REGISTRATION=invite\n")
    for empty in ("", " "):
        environment["REGISTRATION"] = empty
        assert load_settings().REGISTRATION == "invite"


READ: dict[str, dict[str, str]] = {
    "\ufeffREGISTRATION=invite": {"REGISTRATION": "invite"},  # as Notepad writes it
    "PORT=80\r\n\ufeffREGISTRATION=invite\r\n": {"PORT": "80", "REGISTRATION": "invite"},
    "PORT=80\rREGISTRATION=invite\r": {"PORT": "80", "REGISTRATION": "invite"},
    "export REGISTRATION=invite": {"REGISTRATION": "invite"},
    "\texport\tREGISTRATION = 'invite'  # only ours": {"REGISTRATION": "invite"},
    "\u00a0REGISTRATION\u00a0=\u00a0invite\u00a0": {"REGISTRATION": "invite"},  # from a page
    '"REGISTRATION"="invite"': {"REGISTRATION": "invite"},
    "# it's ours\n ; REGISTRATION=closed\n\n#PORT=1\n# REGISTRATION=open is the default": {},
    "PORT=\nHOST=''\nDEBUG= # no": {},
    "ROOM_NAME=The attic": {"ROOM_NAME": "The attic"},
    "ROOM_NAME=The\\ attic": {"ROOM_NAME": "The attic"},
    """ROOM_NAME='The "attic"' # a name""": {"ROOM_NAME": 'The "attic"'},
    r'ROOM_NAME="The \"attic\" \\"': {"ROOM_NAME": 'The "attic" \\'},
    "ROOM_COLOR=#0a7d55": {"ROOM_COLOR": "#0a7d55"},
    "ROOM_COLOR = #0a7d55 # green": {"ROOM_COLOR": "#0a7d55"},
    "ROOM_COLOR='#0a7d55'": {"ROOM_COLOR": "#0a7d55"},
    "ROOM_COLOR=# like the doors\nROOM_NAME=Doors": {"ROOM_NAME": "Doors"},
    "FILE_SIZE_LIMIT=5 MB # each": {"FILE_SIZE_LIMIT": "5 MB"},
    "MODERATORS='alice', \"bob\"": {"MODERATORS": "alice, bob"},
    "SECRET_KEY=a=b$c;d&e/f+g==": {"SECRET_KEY": "a=b$c;d&e/f+g=="},
    "SECRET_KEY='REGISTRATION=#1'": {"SECRET_KEY": "REGISTRATION=#1"},
    r"SECRET_KEY='two\nlines'": {"SECRET_KEY": "two\nlines"},  # as envparse read it
    "PORT=8000# no space": {"PORT": "8000"},
    "REGISTRATION=open\nPORT=80\nREGISTRATION=invite": {"PORT": "80", "REGISTRATION": "invite"},
    "REGISTRATION=invite\nREGISTRATION=": {"REGISTRATION": "invite"},
    "TMPDIR=/var/tmp\nAPP_PASSWORD=a#b\nmy.name=1": {
        "TMPDIR": "/var/tmp", "APP_PASSWORD": "a#b", "my.name": "1"
    },
}  # fmt: skip


@pytest.mark.parametrize(("text", "values"), READ.items())
def test_what_can_mean_one_thing_only_is_read_from_the_envfile(
    environment: dict[str, str], tmp_path: Path, text: str, values: dict[str, str]
) -> None:
    (tmp_path / ".env").write_bytes(text.encode())
    load_settings()
    environment.pop("PYTEST_CURRENT_TEST")
    assert environment == values


ELSE = {  # lines that can't be read, or could mean two things, and what is said of them
    "write REGISTRATION=value": [
        "REGISTRATION: invite", "REGISTRATION invite", "REGISTRATION", "export REGISTRATION",
        "set REGISTRATION=invite", '$env:REGISTRATION="invite"', "REGISTRATION == invite",
        "REGISTRATION => invite", "REGISTRATION += invite", "“REGISTRATION”=invite",
        "'REGISTRATION=invite", "REGISTRATION\u200b=invite", "REGISTRATION＝invite",
        "- REGISTRATION=invite", "Registration : invite", "declare -x REGISTRATION=invite",
    ],
    "write NAME=value": ["[chat]", "=invite", "// closed", "<<<<<<< HEAD", "ROOM NAME=Attic"],
    "letters A to Z": ["ＲＥＧＩＳＴＲＡＴＩＯＮ=invite", "РЕGІSTRАТІОN=invite"],
    "closed": ["REGISTRATION='invite", "ROOM_NAME=\"The attic\\\""],
    "quotes as in": ["ROOM_NAME=Bob's room"],
    "single quotes": ["DATA_DIR=/srv/chat\\", 'SECRET_KEY=s3cret"s3cret'],
    "before the comment": [
        "SECRET_KEY=abc#s3cret-s3cret", "REGISTRATION=#invite", "PORT=8000#default",
        "ROOM_COLOR=#0a7d55#",
    ],
    "straight": ["MODERATORS=“alice”", "SECRET_KEY=«s3cret-s3cret»"],
    # What `echo REGISTRATION=invite >> .env` makes of a last line without an end.
    "give it a line of its own": [
        "ROOM_NAME=AtticREGISTRATION=invite", 'ROOM_NAME="Attic"REGISTRATION=invite',
        "ROOM_LOGO=REGISTRATION=invite", "TZ=Europe/BerlinREGISTRATION=invite",
        "# oursREGISTRATION=invite", "PORT=80 # oursREGISTRATION=invite",
        "ROOM_NAME=Attic REGISTRATION=invite", r"ROOM_NAME=Attic\nREGISTRATION=invite",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "remedy"), [(line, remedy) for remedy, lines in ELSE.items() for line in lines]
)
def test_every_other_line_of_the_envfile_stops_the_start(
    environment: dict[str, str], tmp_path: Path, line: str, remedy: str
) -> None:
    (tmp_path / ".env").write_text(f"# Ours\nPORT=8000\n{line}\nHOST=::1\n")
    sentence = refusal()
    assert sentence.startswith(f"{tmp_path / '.env'}, line 3 ")
    assert remedy in sentence
    assert sentence.endswith(".")
    assert not re.search("s3cret|alice|\n", sentence)
    assert environment.keys() == {"PYTEST_CURRENT_TEST"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"SECRET_KEY=s3cret\xff", "line 1 is not in UTF-8: save the file as UTF-8"),
        ("ROOM_NAME=Café".encode("latin-1"), "line 1 is not in UTF-8"),
        ("REGISTRATION=invite\r\n".encode("utf-16"), ".env is in UTF-16"),
        ("\ufeffREGISTRATION=invite\r\n".encode("utf-16-be"), ".env is in UTF-16"),
        (b"PORT=80\r\n" + "SECRET_KEY=s3cret\r\n".encode("utf-16-le"), "line 2 has NUL bytes"),
        (b"SECRET_KEY=s3cret\0s3cret", "line 1 has NUL bytes"),
    ],
)
def test_an_envfile_in_another_encoding_stops_the_start(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    sentence = refusal()
    assert words in sentence
    assert "s3cret" not in sentence


def test_an_envfile_that_is_no_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.mkdir()  # Docker makes one where a file that is to be mounted does not exist
    assert refusal() == f"{path} cannot be read: Is a directory."
    path.rmdir()
    path.symlink_to(tmp_path / "elsewhere")
    assert refusal() == f"{path} cannot be read: No such file or directory."
    path.unlink()
    os.mkfifo(path)
    assert refusal() == f"{path} cannot be read: it is a pipe."


NAMES = {  # mistyped, and what is meant
    "REGISTRATION": [
        "REGISTRATON", "REGISTRAITON", "REGISTRATIONS", "registration", "Registration",
        "RЕGISTRATION", "CHAT_REGISTRATION", "REGISTRATION_MODE",
    ],
    "HOST": ["SITE_HOST", "HSOT", "host"],
    "PORT": ["SITE_PORT", "site-port", "PROT", "Port"],
    "DEBUG": ["DEBGU", "Debug"],
    "ROOM_NAME": ["ROOM-NAME", "ROOMNAME", "room.name", "NAME_ROOM"],
    "ROOM_COLOR": ["ROOM_COLOUR"],
    "DATA_DIR": ["DATADIR", "DATA_DIRS"],
    "MONGO_HOST": ["MONGO_HOTS", "MONGOHOST"],
    "MODERATORS": ["MODERATOR", "MODERATERS"],
    "TRUSTED_PROXIES": ["TRUSTED_PROXY"],
    "SECRET_KEY": ["SECRETKEY", "SECRET_KEYS"],
    "REDIS_URL": ["REDIS_URI"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"), [(name, meant) for meant, names in NAMES.items() for name in names]
)
def test_a_mistyped_name_in_the_envfile_stops_the_start(
    tmp_path: Path, name: str, meant: str
) -> None:
    (tmp_path / ".env").write_text(f"{name}=s3cret\n")
    assert refusal() == f"{tmp_path / '.env'}, line 1 sets {name}: {meant} is meant."
    (tmp_path / ".env").write_text(f"{name}=\n")
    load_settings()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("REGISTRATON", "REGISTRATION"), ("REGISTRATOINS", "REGISTRATION"),
        ("registration", "REGISTRATION"), ("MODERATOR", "MODERATORS"),
        ("PUBLIC_ORIGIN", "PUBLIC_ORIGINS"), ("SECURE_COOKEIS", "SECURE_COOKIES"),
        ("FILE_IN_ALL", "FILES_IN_ALL"),
    ],
)  # fmt: skip
def test_a_certain_slip_in_the_environment_stops_the_start(
    environment: dict[str, str], name: str, meant: str
) -> None:
    environment[name] = "s3cret"
    assert refusal() == f"the environment sets {name}: {meant} is meant."
    environment[name] = " "
    load_settings()
    environment |= {name: "s3cret", meant: ""}  # whoever sets both knows what they do
    load_settings()


OF_OTHERS = """
    CI DYNO GITHUB_TOKEN HEROKU_APP_NAME HOSTNAME INVOCATION_ID JOURNAL_STREAM LISTEN_FDS PATH TZ
    LOG_LEVEL LOGS_DIRECTORY MAINPID NOTIFY_SOCKET RUNNER_NAME RUNNER_DEBUG STATE_DIRECTORY
    KUBERNETES_PORT KUBERNETES_SERVICE_HOST MONGO_PORT MONGO_NAME MONGO_SERVICE_PORT MONGODB_NAME
    MONGODB_URI MONGO_INITDB_DATABASE REDIS_TLS_URL REDIS_URI REDIS_PORT REDIS_HOST ROOM_PORT
    REGISTRATION_PORT REGISTRATION_SERVICE_HOST REGISTRATION_PORT_80_TCP_ADDR METRICS_PORT
    SECRET_KEY_BASE AWS_SECRET_KEY SESSION_MANAGER SESSION_STORE DATA_DIRECTORY DATADIR
    XDG_DATA_DIRS debug host port data_dir http_proxy no_proxy POST HOSTS PORTS SITE_PORT
    PYTHONHASHSEED COMPOSE_PROJECT_NAME PUBLIC_URL FILES_PORT WEB_CONCURRENCY SESSION_STORAGE_PORT
"""


def test_names_of_others_in_the_environment_are_left_alone(environment: dict[str, str]) -> None:
    environment |= dict.fromkeys(OF_OTHERS.split(), "1")
    del environment["DYNO"]
    assert load_settings() == settings.Settings()


def test_an_envfile_of_somebody_else_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / ".env").write_text("REGISTRATION=closed\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "Permission denied" in refusal()


@pytest.mark.parametrize("text", ["$(openssl rand -base64 32)", "`pwgen 20`", "${SECRET_KEY}"])
def test_what_a_shell_would_put_in_is_not_taken_for_a_key(
    environment: dict[str, str], tmp_path: Path, text: str
) -> None:
    (tmp_path / ".env").write_text(f"SECRET_KEY={text}\n")
    words = "nothing is put in for that here, write the value itself"
    assert refusal() == f"SECRET_KEY=(not shown) is not valid: {words}."
    environment["SECRET_KEY"] = "$ecret-p@ssw0rd$(1)"
    load_settings()


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


@pytest.mark.parametrize(
    ("prefix", "program"), [(ROOT / ".venv", ".venv/bin/python"), ("/usr/local", "python")]
)
def test_a_command_is_named_as_it_can_be_typed(prefix: Path | str, program: str) -> None:
    code = f"import sys; sys.prefix = {str(prefix)!r}; import settings; print(settings.PROGRAM)"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert printed == f"{program} app.py\n"


def test_app_json_names_what_heroku_has_to_ask_for() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert app["env"].keys() <= {variable.name for variable in variables()}
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
