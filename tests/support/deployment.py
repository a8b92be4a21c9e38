"""The deployment that docs/deploy.md describes: gunicorn behind nginx, each on ports of its own.

Commands and configuration are taken from the page; only names, ports and paths are replaced.
"""

import asyncio
import re
import shlex
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from settings import ROOT
from tests.support.databases import EmbeddedServer, embedded_server
from tests.support.deploy_page import SEVERAL, blocks
from tests.support.kernel import children
from tests.support.processes import Chat, free_port
from tests.support.proxies import self_signed
from tests.support.redis_server import redis_server
from tests.support.waiting import START_PATIENCE, until

SITE = "/srv/chat"  # on the page

# What Debian's /etc/nginx/nginx.conf is to the page's configuration.
NGINX = """
daemon off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


def unit() -> dict[str, str]:
    """Return what the systemd unit has for several processes."""
    [text] = blocks("ini", SEVERAL)
    lines = text.replace("\\\n", " ").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@cache
def environment() -> dict[str, str]:
    """Return what the page writes into /etc/chat.env for several processes."""
    text = "".join(blocks("sh", "Install") + blocks("sh", SEVERAL))
    lines = "\n".join(re.findall(r"^[A-Z_]+=.*$", text, re.MULTILINE))
    # The shell makes the key.
    written = subprocess.run(
        ["sh", "-c", f"cat <<END\n{lines}\nEND"], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split("=", 1) for line in written.splitlines())


class Gunicorn(Chat):
    """gunicorn as the unit starts it, with several workers that serve the chat."""

    def __init__(self, folder: Path, port: int, **environment: str | int) -> None:
        """Set up, but don't start."""
        super().__init__(folder, port, **environment, PYTHONPATH=str(ROOT))
        program, *arguments = shlex.split(unit()["ExecStart"])
        assert program == f"{SITE}/.venv/bin/gunicorn"
        self.command = ["-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *arguments]
        self.size = int(arguments[arguments.index("--workers") + 1])
        self.expected = 0  # workers that have announced themselves, in all

    @property
    def workers(self) -> set[int]:
        """The ids of the worker processes."""
        return set(children(self.pid))

    async def until_it_serves(self) -> None:
        """Wait until as many workers as belong to a start or a reload serve."""
        await super().until_it_serves()
        self.expected += self.size
        await until(lambda: self.output.count("Chat at ") == self.expected, START_PATIENCE)

    async def reload(self) -> None:
        """Replace the workers, as `systemctl reload` does, and wait until all are new ones."""
        old = self.workers
        process = await asyncio.create_subprocess_shell(
            unit()["ExecReload"], env={"MAINPID": str(self.pid)}
        )
        assert await process.wait() == 0
        await self.until_it_serves()
        await until(lambda: not self.workers & old, START_PATIENCE)


class Nginx:
    """nginx with the page's configuration, in front of a chat."""

    def __init__(self, folder: Path, upstream: int) -> None:
        """Set up, but don't start: `upstream` is the chat's port."""
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        certificate = self_signed(folder)
        self.tls = ssl.create_default_context(cafile=str(certificate))
        [site] = blocks("nginx")
        for old, new in {
            r"listen \[::\].*": "",  # not every machine has IPv6
            r"listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            r"listen 443 ": f"listen 127.0.0.1:{self.port} ",
            r"/etc/letsencrypt/\S+\.pem": str(certificate),
            r"127\.0\.0\.1:8080": f"127.0.0.1:{upstream}",
            r"chat\.example\.com": "127.0.0.1",
        }.items():
            site, count = re.subn(old, new, site)
            assert count, old
        self._configuration, self._log = folder / "nginx.conf", folder / "error.log"
        self._configuration.write_text(NGINX.format(folder=folder, site=site))
        folder.chmod(0o755)  # where nginx is started by root, its workers are somebody else

    @property
    def errors(self) -> str:
        """What nginx complains about."""
        return self._log.read_text()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run nginx, and end it afterwards."""
        process = await asyncio.create_subprocess_exec(
            "nginx", "-c", str(self._configuration), "-e", str(self._log)
        )
        try:
            await until(self._listens, START_PATIENCE)
            yield
        finally:
            process.terminate()
            await process.wait()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionRefusedError:
            return False
        writer.close()
        return True


@dataclass
class Deployment:
    """What the page describes."""

    gunicorn: Gunicorn
    nginx: Nginx
    database: EmbeddedServer


@asynccontextmanager
async def deployment(**changes: str | int) -> AsyncIterator[Deployment]:
    """Run gunicorn behind nginx with the page's settings, a database and a Redis of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="chat") as name,
        embedded_server() as database,
        redis_server() as redis,
    ):
        database.start()
        folder, port = Path(name), free_port()
        nginx = Nginx(folder, port)
        replaced = {"MONGO_HOST": database.address, "REDIS_URL": redis.url, "DATA_DIR": name}
        settings = environment() | replaced | {"PUBLIC_ORIGINS": nginx.url}
        gunicorn = Gunicorn(folder, port, **{**settings, **changes})
        try:
            await gunicorn.start()
            async with nginx.running():
                yield Deployment(gunicorn, nginx, database)
        finally:
            await gunicorn.stop()
