"""Follow docs/deploy.md, as root of a Debian that has nothing else to do.

Usage: .ci/deployment.py install   do what needs a network, before .ci/systemd boots the system
       .ci/deployment.py follow    do the rest, and look whether it does what the page says

Only the certificate and MongoDB are stand-ins: the first is self-signed, and in the place of the
second is the embedded database, which the tests use, too.
"""

import asyncio
import re
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.deploy_page import SEVERAL, blocks, page

REPOSITORY = Path("/root/chat")  # where .ci/bare has put it
SITE = "https://chat.example.com"
CERTIFICATE = Path("/etc/letsencrypt/live/chat.example.com/fullchain.pem")
TALK = REPOSITORY / ".ci" / "talk.py"
PASSWORD = "correct horse battery"  # alice's, as TALK has it
PATIENCE = 30  # seconds
NO_LOOP = 6  # seconds without another start; RestartSec is 2
REQUESTS = 120
EXPOSED = 1.5  # `systemd-analyze security` says less of each unit
THIS_START = "_SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID chat)"
ONE_PROCESS = "The service"

STAND_IN = """
mkdir -p /run/mongod /var/lib/mongod
systemd-run --quiet --unit mongod --working-directory /srv/chat sh -c 'sleep infinity |
    .venv/bin/python -m storage.embedded_server /run/mongod/database.sock /var/lib/mongod'
until [ -S /run/mongod/database.sock ]; do sleep 0.1; done
systemd-run --quiet --unit mongod-port --socket-property ListenStream=127.0.0.1:27017 \\
    /lib/systemd/systemd-socket-proxyd /run/mongod/database.sock
"""


def run(commands: str, fails: bool = False) -> str:
    """Type commands, and return what they print; `fails` says whether the last one has to."""
    for line in commands.strip().splitlines():
        print(f"  # {line}", flush=True)
    shell = ["bash", "-c" if fails else "-ec", commands.replace("<this repository>", "/root/chat")]
    done = subprocess.run(shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert bool(done.returncode) == fails, f"status {done.returncode}: {done.stdout}"
    return done.stdout.strip()


def typed(section: str, number: int = 0) -> str:
    """Type a block of the page's commands, as it stands."""
    return run(blocks("sh", section)[number])


def write_files(section: str) -> None:
    """Write the files of a section of the page."""
    for block in page():
        if block.section == section and block.language in ("ini", "nginx"):
            path = Path(block.path)
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)


def install() -> None:
    """Install packages."""
    Path("/etc/apt/apt.conf.d/99yes").write_text('APT::Get::Assume-Yes "true";\n')
    typed("Install")
    lines = blocks("sh", SEVERAL)[0].splitlines()
    run("\n".join(line for line in lines if line.startswith(("apt ", "make "))))
    # What Debian does each day would fail without a network.
    for timer in Path("/lib/systemd/system").glob("*.timer"):
        run(f"ln -sf /dev/null /etc/systemd/system/{timer.name}")


async def follow() -> None:
    """Set up one process, then several, and try with each what an operator does."""
    run("echo 127.0.0.1 chat.example.com >>/etc/hosts")
    run(
        f"mkdir -p {CERTIFICATE.parent};"
        " openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=chat.example.com"
        f" -addext subjectAltName=DNS:chat.example.com -out {CERTIFICATE}"
        f" -keyout {CERTIFICATE.parent}/privkey.pem"
    )
    typed("Install", 1)
    write_files(ONE_PROCESS)
    typed(ONE_PROCESS)
    write_files("nginx")
    typed("nginx")
    typed("The operator's commands")
    talk()
    async with browser() as alice:
        await alice.log_in()
        looks_right()
        commands()
        await a_restart_is_not_noticed(alice)
        await a_wrong_setting_is_not_tried_again(alice)
        await an_upgrade(alice)
        await a_backup(alice)
    await an_export()
    run(STAND_IN)
    typed(SEVERAL)
    write_files(SEVERAL)
    typed(SEVERAL, 1)
    talk()
    async with browser() as alice:
        await alice.log_in()
        looks_right()
        commands()
        await a_reload_is_not_noticed(alice)
        await a_restart_is_not_noticed(alice)
        await a_wrong_setting_is_not_tried_again(alice)
    assert run("systemctl --failed --quiet --plain") == ""


class Browser:
    """Somebody who comes by https, through nginx."""

    def __init__(self, session: Any) -> None:
        self.session = session

    async def status(self) -> int:
        """Return the status of the chat's page, and read all of it."""
        async with self.session.get("/", allow_redirects=False) as response:
            await response.read()
            status: int = response.status
            return status

    async def page(self) -> str:
        """Return the chat's page; fails unless somebody is signed in."""
        async with self.session.get("/", allow_redirects=False) as response:
            text: str = await response.text()
            assert response.status == 200, (response.status, text)
            return text

    async def log_in(self) -> None:
        """Log in as alice, whom talk() has registered."""
        form = {"login": "alice", "password": PASSWORD}
        async with self.session.post("/login", data=form, allow_redirects=False) as response:
            assert response.status == 303, await response.text()

    async def connect(self) -> Any:
        """Open a socket."""
        return await self.session.ws_connect("/ws", protocols=["chat.v1"])

    async def say(self, text: str) -> None:
        """Send a message, and wait until it is shown."""
        socket = await self.connect()
        await socket.send_json({"type": "message", "msg": text})
        while (await socket.receive_json(timeout=PATIENCE)).get("msg") != text:
            pass
        await socket.close()


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Open a browser that trusts the certificate."""
    import aiohttp  # by then it is installed

    tls = ssl.create_default_context(cafile=CERTIFICATE)
    connector = aiohttp.TCPConnector(ssl=tls, force_close=True)
    async with aiohttp.ClientSession(SITE, connector=connector) as session:
        yield Browser(session)


def talk() -> None:
    """Let alice register and talk, also with a picture, which the chat decodes in a process."""
    run(f"SSL_CERT_FILE={CERTIFICATE} {sys.executable} {TALK} {SITE} new")


def looks_right() -> None:
    """The unit is a right one, it is confined, and its chat complains of nothing."""
    assert run("systemd-analyze verify chat.service") == ""
    said = run("systemd-analyze security chat.service | tail -1")
    print(said)
    exposed = re.search(r"([\d.]+) OK", said)
    assert exposed, said
    assert float(exposed[1]) <= EXPOSED
    assert run(f"journalctl -p err -q {THIS_START}") == ""


def commands() -> None:
    """The operator's commands work."""
    assert "wrong" not in run(blocks("sh", "The operator's commands")[1])
    assert "/signin?" in run("chat invite")
    assert "unknown" in run("chat ban nobody || echo unknown")


async def requests_during(command: str, person: Browser) -> list[int]:
    """Run a command of the page while somebody asks for pages, and return their statuses."""
    statuses: list[int] = []
    running = asyncio.create_task(asyncio.to_thread(run, command))

    async def ask() -> None:
        while not running.done() or len(statuses) < REQUESTS:
            statuses.append(await person.status())

    await asyncio.gather(*(ask() for _ in range(4)))
    await running
    return statuses


def only(statuses: Iterable[int], expected: int) -> None:
    """Each status is the expected one."""
    assert set(statuses) == {expected}, statuses


async def a_restart_is_not_noticed(person: Browser) -> None:
    """While the chat restarts, each request is answered."""
    code = asyncio.create_task(closed_with(await person.connect()))
    only(await requests_during("systemctl restart chat", person), 200)
    assert await code == 1001
    await person.page()  # the session has lasted


async def a_reload_is_not_noticed(person: Browser) -> None:
    """While gunicorn's workers are replaced, each request is answered."""
    code = asyncio.create_task(closed_with(await person.connect()))
    only(await requests_during(blocks("sh", SEVERAL)[2], person), 200)
    assert await code == 1001


async def closed_with(socket: Any) -> int | None:
    """Return the code with which the chat closes a socket."""
    async with asyncio.timeout(2 * PATIENCE):
        async for _ in socket:
            pass
    code: int | None = socket.close_code
    return code


async def a_wrong_setting_is_not_tried_again(person: Browser) -> None:
    """With a wrong setting the start fails, the journal says why, and that is all."""
    run("echo REGISTRATION=invited >>/etc/chat.env; systemctl restart chat", fails=True)
    sentence = f"journalctl --sync; journalctl -p err -o cat -q {THIS_START} | grep ^REGISTRATION="
    said = run(sentence)
    ends_at = time.monotonic() + NO_LOOP
    while time.monotonic() < ends_at:  # a request must not start it, either
        assert await person.status() == 502
    assert run("systemctl is-active chat", fails=True) == "failed"
    assert run(sentence) == said
    run("sed -i /^REGISTRATION/d /etc/chat.env; systemctl restart chat")
    await person.page()


async def an_upgrade(person: Browser) -> None:
    """A pull and a restart bring new code."""
    template = REPOSITORY / "templates" / "base.html"
    template.write_text(template.read_text() + "<!-- a new version -->\n")
    run(f"cd {REPOSITORY} && git -c user.name=x -c user.email=x@example.com commit -qam new")
    typed("Upgrade")
    assert "a new version" in await person.page()


async def a_backup(person: Browser) -> None:
    """A backup brings everything back, also on a new machine; a damaged one does no harm."""
    backup, restore = blocks("sh", "Backup and restore")[:2]
    await person.say("before")
    run(backup)
    await person.say("after")
    run("cd /var/backups; mv chat.tar.gz whole; head -c 999 whole >chat.tar.gz")
    run(restore, fails=True)
    assert "after" in await person.page()
    run("mv /var/backups/whole /var/backups/chat.tar.gz")
    run(restore)
    assert_restored(await person.page())
    a_new_machine()
    run(restore)
    assert_restored(await person.page())
    assert re.search(r"alice\s.*moderator", run("chat users"))


def assert_restored(text: str) -> None:
    """What was said before the backup is there, and what was said after it is not."""
    assert (">before<" in text, ">after<" in text) == (True, False), text


def a_new_machine() -> None:
    """Remove what a machine on which the chat has never been started has not got."""
    run("systemctl stop chat.socket; systemctl disable chat")
    run("rm -r /var/lib/chat /var/lib/private/chat")


async def an_export() -> None:
    """An export is written beside the chat, and read on a new machine."""
    backup, read = blocks("sh", "Backup and restore")[2:]
    run(backup)
    assert run("stat -c %a /var/backups/chat.jsonl") == "600"
    a_new_machine()
    run("echo '{}' >/var/backups/chat.jsonl.broken")
    run(read.replace("chat.jsonl", "chat.jsonl.broken"), fails=True)
    assert run("systemctl is-active chat", fails=True) == "inactive"
    run(read)
    assert re.search(r"alice\s.*moderator", run("chat users"))


if sys.argv[1] == "install":
    install()
else:
    asyncio.run(follow())
