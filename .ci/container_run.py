"""The container, from its start to a restored backup: as Docker would run it, and by compose.yaml.

Run by .ci/container in namespaces of its own, so that all ends with it. Usage: FOLDER
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORK = Path(sys.argv[1])
CHECKOUT = WORK / "chat"
TALK = Path(__file__).with_name("talk.py").read_text()
ADDRESS = "http://127.0.0.1:8080"
# What compose.yaml asks for, and what only this place needs: it has neither systemd nor networks.
AS_COMPOSED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
               "--env", f"PUBLIC_ORIGINS={ADDRESS}"]  # fmt: skip
HERE = ["--network", "host", "--no-healthcheck"]
LARGEST = 220 * 10**6  # bytes of the image
OFFICIAL = 130 * 10**6  # bytes of Python's official slim image, unpacked; it has 119 to 126 MB
GRACE = 10  # seconds
PROMISED_END = 5  # seconds
PATIENCE = 60  # seconds
EX_CONFIG = 78
OVERRIDE = """
services:
  chat:
    image: chat
    network_mode: host
    healthcheck: {disable: true}
"""

Done = subprocess.CompletedProcess[str]


def run(*command: str, text: str = "", status: int | None = 0) -> Done:
    """Run a command to its end, whose status has to be the one that is expected."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=PATIENCE * 2, cwd=CHECKOUT
    )
    shown = f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert status is None or done.returncode == status, shown
    return done


def podman(*arguments: str, text: str = "", status: int | None = 0) -> Done:
    """Run a command of podman."""
    return run("podman", *arguments, text=text, status=status)


def inspect(what: str, name: str) -> dict:
    """Return what podman knows about a container or an image."""
    [found] = json.loads(podman(what, "inspect", name).stdout)
    return found


def begin(volume: str) -> None:
    """Start the container `room`."""
    room = ["--detach", "--name", "room", "--volume", f"{volume}:/data"]
    podman("run", *room, *AS_COMPOSED, *HERE, "chat")


def once(volume: str, *command: str, options: tuple[str, ...] = (), text: str = "") -> Done:
    """Run a command in a container of its own, which is removed then."""
    aside = ["--rm", "--interactive", "--volume", f"{volume}:/data", *AS_COMPOSED, *HERE]
    return podman("run", *aside, *options, "chat", *command, text=text, status=None)


def inside(name: str, *command: str, text: str = "") -> str:
    """Run a command in a container that runs, and return what it prints."""
    return podman("exec", "--interactive", name, *command, text=text).stdout


def healthy(name: str) -> None:
    """Wait until a container is healthy, as its image says."""
    check = inspect("image", "chat")["Healthcheck"]["Test"]
    assert check[0] == "CMD", check
    ends_at = time.monotonic() + PATIENCE
    while podman("exec", name, *check[1:], status=None).returncode:
        waits = time.monotonic() < ends_at and inspect("container", name)["State"]["Running"]
        assert waits, podman("logs", name).stderr
        time.sleep(0.2)


def talk(name: str, *arguments: str) -> None:
    """Let somebody talk in the chat of a container."""
    inside(name, "python", "-", ADDRESS, *arguments, text=TALK)


def ended(name: str, how: Callable[[], object]) -> tuple[int, float]:
    """End a container, and return its status and how many seconds that took."""
    began = time.monotonic()
    how()
    podman("wait", name)
    took = time.monotonic() - began
    return inspect("container", name)["State"]["ExitCode"], took


def stop(name: str) -> tuple[int, float]:
    """Stop a container as compose.yaml does."""
    return ended(name, lambda: podman("stop", "--time", str(GRACE), name))


def stopped(name: str) -> None:
    """Stop a container, and remove it."""
    assert stop(name)[0] == 0
    podman("rm", name)


def refused(done: Done, status: int, *words: str) -> None:
    """Check that the chat has ended with a status, and said why in a line that has the words."""
    assert done.returncode == status, done
    assert "Traceback" not in done.stderr, done.stderr
    last = done.stderr.splitlines()[-1]
    assert all(word in last for word in words), done.stderr


def the_image_is_small_and_has_only_what_runs() -> str:
    image = inspect("image", "chat")
    own = image["Size"] - inspect("image", "python:3.13-slim")["Size"]
    assert own + OFFICIAL <= LARGEST, own
    assert (image["User"], image["Config"]["StopSignal"]) == ("10001:10001", "SIGTERM"), image
    looked = once("none", "sh", "-c", "ls -A /chat; python -m pip")
    there = set(looked.stdout.split())
    assert {"app.py", "settings.py", "static", ".venv"} <= there, there
    assert not there & {".env", ".git", ".ci", "data", "docs", "tests", "Makefile"}, there
    assert "No module named pip" in looked.stderr
    podman("volume", "rm", "none")
    return f"{own / 10**6:.0f} MB without Python's own image"


def people_talk_and_it_ends_in_time() -> str:
    begin("room")
    healthy("room")
    assert f"Chat at {ADDRESS}\n" in podman("logs", "room").stdout
    talk("room", "new")
    status, took = stop("room")
    assert status == 0, status
    assert took < PROMISED_END, took
    return f"stopped in {took:.1f} s"


def everything_is_there_after_a_stop_and_after_a_kill() -> None:
    podman("start", "room")
    healthy("room")
    talk("room", "back", "1")
    assert ended("room", lambda: podman("kill", "room"))[0] == 128 + signal.SIGKILL
    podman("start", "room")
    healthy("room")
    talk("room", "back", "2")


def a_second_chat_on_the_same_volume_is_refused() -> None:
    refused(once("room", options=("--env", "PORT=8081")), 1, "/data", "MONGO_HOST")


def the_room_goes_into_another_volume() -> None:
    assert "wrong" not in inside("room", "python", "app.py", "check")
    assert f"{ADDRESS}/" in inside("room", "python", "app.py", "invite")
    exported = inside("room", "python", "app.py", "export", "-")
    stopped("room")
    imported = once("other", "python", "app.py", "import", "-", text=exported)
    assert imported.returncode == 0, imported
    begin("other")
    healthy("room")
    talk("room", "back", "3")
    stopped("room")


def a_stop_during_the_start_is_obeyed() -> str:
    begin("room")
    pid = inspect("container", "room")["State"]["Pid"]
    ends_at = time.monotonic() + PATIENCE
    while "site-packages" not in Path(f"/proc/{pid}/maps").read_text():  # it begins to import
        assert time.monotonic() < ends_at
    status, took = ended("room", lambda: os.kill(pid, signal.SIGTERM))
    assert took < PROMISED_END, took
    podman("start", "room")  # on what such a stop has left
    healthy("room")
    stopped("room")
    return f"with status {status} in {took:.1f} s"


def a_wrong_setting_has_a_status_of_its_own() -> None:
    done = once("room", options=("--env", "REGISTRATION=invited"))
    refused(done, EX_CONFIG, "REGISTRATION='invited' is not valid: use open, invite or closed.")


def a_volume_of_root_is_named_with_the_remedy() -> None:
    folder = WORK / "of-root"
    folder.mkdir(mode=0o755)
    done = once(str(folder))
    refused(done, EX_CONFIG, "DATA_DIR=/data can't be written by user 10001", "chown")
    os.chown(folder, 10001, 10001)
    begin(str(folder))
    healthy("room")
    stopped("room")


def compose_starts_it_with_the_settings_of_its_file() -> str:
    (CHECKOUT / "override.yaml").write_text(OVERRIDE)
    files = ["-f", "compose.yaml", "-f", "override.yaml"]
    compose = ["podman-compose", *files]
    (CHECKOUT / ".env").write_text("REGISTRATION=invite\nROOM_NAME='The room'\nHOST=127.0.0.1\n")
    run(*compose, "up", "--detach", "--no-build")
    [name] = podman("ps", "--format", "{{.Names}}").stdout.split()
    healthy(name)
    talk(name, "new")
    said = run(*compose, "run", "--rm", "-T", "chat", "python", "app.py", "check").stdout
    for finding in ("ROOM_NAME = The room", "REGISTRATION = invite", "HOST = 0.0.0.0",
                    f"PUBLIC_ORIGINS = {ADDRESS}, http://localhost:8080"):  # fmt: skip
        assert f"ok     {finding}\n" in said, said
    host = inspect("container", name)["HostConfig"]
    assert host["ReadonlyRootfs"], host
    assert host["RestartPolicy"]["Name"] == "unless-stopped", host
    exported = run(*compose, "exec", "-T", "chat", "python", "app.py", "export", "-").stdout
    assert "this is number 0" in exported
    run(*compose, "down")
    run(*compose, "up", "--detach", "--no-build")
    healthy(name)
    talk(name, "back", "1")
    run(*compose, "down", "--volumes")
    return run("podman-compose", "--version").stdout.split()[2]


def compose_would_start_mongodb_and_redis_if_the_settings_name_them() -> None:
    (CHECKOUT / ".env").write_text("")
    assert run("podman-compose", "config", "--services").stdout.split() == ["chat"]
    page = (CHECKOUT / "docs" / "containers.md").read_text()
    [lines] = re.findall(r"^COMPOSE_PROFILES=.*\n(?:.+=.+\n)+", page, re.MULTILINE)
    (CHECKOUT / ".env").write_text(lines)
    said = run("podman-compose", "--verbose", "--dry-run", "up", "--detach", "--no-build").stderr
    chat, mongo, redis = (line for line in said.splitlines() if ":podman create " in line)
    assert "-e MONGO_HOST=mongodb://mongo/chat -e REDIS_URL=redis://redis " in chat, chat
    assert "-p 127.0.0.1:8080:8080" in chat, chat
    for service, image in ((mongo, "mongo:8"), (redis, "redis:8")):
        assert service.endswith(image), service
        assert " -p " not in service, service  # nobody else reaches it


STEPS = (
    the_image_is_small_and_has_only_what_runs,
    people_talk_and_it_ends_in_time,
    everything_is_there_after_a_stop_and_after_a_kill,
    a_second_chat_on_the_same_volume_is_refused,
    the_room_goes_into_another_volume,
    a_stop_during_the_start_is_obeyed,
    a_wrong_setting_has_a_status_of_its_own,
    a_volume_of_root_is_named_with_the_remedy,
    compose_starts_it_with_the_settings_of_its_file,
    compose_would_start_mongodb_and_redis_if_the_settings_name_them,
)
try:
    for step in STEPS:
        began = time.monotonic()
        found = step()
        name = step.__name__.replace("_", " ")
        print(
            f"{name}: {time.monotonic() - began:.0f} s{f', {found}' if found else ''}", flush=True
        )
finally:
    podman("rm", "--force", "--all", status=None)
