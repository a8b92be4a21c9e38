"""Dockerfile, compose.yaml, .dockerignore and docs/containers.md say the same, and fit the chat.

.ci/container builds the image and runs it.
"""

import re
import subprocess
import sys

import pytest

from server.startup import NEWEST, OLDEST
from settings import ROOT, variables

PAGE = (ROOT / "docs" / "containers.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()
BLOCKS = "".join(re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
OF_COMPOSE = {"COMPOSE_PROFILES", "PUBLISH_ON"}


def section(name: str) -> str:
    """Return what stands under a name at the first level of compose.yaml."""
    found = re.search(rf"^{name}:\n((?:  .*\n|\n)*)", COMPOSE, re.MULTILINE)
    assert found is not None
    return found[1]


def names(text: str) -> list[str]:
    """Return the names at the first level of a section."""
    return re.findall(r"^  (\w+):", text, re.MULTILINE)


@pytest.mark.processes
def test_the_image_has_what_the_chat_imports_and_reads_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"  # which leaves out everything
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    said = subprocess.run(
        [sys.executable, "-c", "import sys, app, storage.embedded_server; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {name.partition(".")[0] for name in said.stdout.split()}
    folders = {name for name in loaded if (ROOT / name / "__init__.py").exists()}
    assert let_in == {*folders, "*.py", "requirements.txt", "static", "templates"}


def test_the_python_of_both_stages_is_the_same_and_one_that_the_chat_runs_on() -> None:
    [version] = set(re.findall(r"^FROM python:3\.(\d+)-slim\b", DOCKERFILE, re.MULTILINE))
    assert OLDEST <= (3, int(version)) <= NEWEST
    assert DOCKERFILE.count("FROM ") == 2


def test_the_user_and_the_folder_are_the_same_everywhere() -> None:
    [user] = re.findall(r"^USER (\d+):\1$", DOCKERFILE, re.MULTILINE)
    assert f"--owner {user} --group {user}" in DOCKERFILE
    assert f"chown {user}:{user} " in PAGE
    assert f"is user {user}" in PAGE
    [folder] = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.search(rf"\bDATA_DIR={folder}\b", DOCKERFILE)
    assert f"- DATA_DIR={folder}\n" in COMPOSE
    assert f'volumes: ["data:{folder}"]' in COMPOSE
    assert f'["/srv/chat-data:{folder}"]' in PAGE


def test_only_this_machine_reaches_a_chat_unless_its_settings_say_otherwise() -> None:
    ports = re.findall(r"ports: (.*)", COMPOSE)
    assert ports == ['["${PUBLISH_ON:-127.0.0.1}:${PORT:-8080}:8080"]']
    # podman-compose takes what the service sets for the default of a variable of the same name.
    assert "- PORT=8080\n" in COMPOSE
    assert "- PUBLISH_ON=" not in COMPOSE


def test_every_volume_that_is_used_is_kept() -> None:
    used = set(re.findall(r'volumes: \["(\w+):', section("services")))
    assert set(names(section("volumes"))) == used


def test_the_page_names_settings_services_and_profiles_that_there_are() -> None:
    known = {variable.name for variable in variables()} | OF_COMPOSE
    assert set(re.findall(r"\b([A-Z]+(?:_[A-Z]+)*)=", PAGE)) <= known
    services = names(section("services"))
    assert set(re.findall(r"(?:mongodb|redis)://(\w+)", BLOCKS)) <= set(services)
    for words in re.findall(r"docker compose (?:exec|run --rm)(?: -T)? (\w+)", PAGE):
        assert words in services
    profiles = set(re.findall(r"profiles: \[(\w+)\]", COMPOSE))
    assert set(re.findall(r"(?:COMPOSE_PROFILES=|--profile )(\w+)", PAGE)) == profiles


@pytest.mark.processes
def test_the_page_names_commands_that_there_are() -> None:
    said = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    commands = set(re.findall(r"^ {4}(\w+)", said.stdout, re.MULTILINE))
    used = set(re.findall(r"python app\.py (\w+)", BLOCKS))
    assert {"check", "export", "import"} <= used <= commands


def test_the_engine_waits_for_longer_than_the_chat_needs_to_end() -> None:
    [grace] = re.findall(r"stop_grace_period: (\d+)s", COMPOSE)
    assert int(grace) > 5  # seconds that README promises
