"""Proxies: one speaks TLS, one cuts connections."""

import asyncio
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@asynccontextmanager
async def tls_front(port: int, folder: Path) -> AsyncIterator[str]:
    """Serve what a local port serves, over TLS, as a proxy in front of it would."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(self_signed(folder))
    browsers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        browsers.add(writer)
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_relay(reader, inner_writer), _relay(inner_reader, writer))
        except OSError:
            pass  # nobody is there
        finally:
            browsers.remove(writer)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in browsers:
            writer.transport.abort()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()  # either end takes the other with it


def self_signed(folder: Path) -> Path:
    """Write a key and a certificate for this machine that nobody else vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "front.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


CUT_ODDS = {"up": 1 / 40, "down": 1 / 400}  # of each piece that passes; about ten a second


class Scissors:
    """A TCP proxy that cuts connections anywhere, also in the middle of a frame, either way."""

    def __init__(self, port: int, dice: random.Random) -> None:
        """Set up, but don't listen: `port` is the chat's."""
        self.are_out = False
        self.cuts = {"up": 0, "down": 0}
        self._port, self._dice = port, dice
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address of the chat behind the proxy."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> "Scissors":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chat_reader, chat_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ends = (writer.transport, chat_writer.transport)
        for pump in (
            self._pump("up", reader, chat_writer, ends),
            self._pump("down", chat_reader, writer, ends),
        ):
            task = asyncio.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        way: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: tuple[asyncio.WriteTransport, asyncio.WriteTransport],
    ) -> None:
        """Carry bytes one way until either side ends, or the scissors do."""
        try:
            while data := await reader.read(65536):
                if self.are_out and self._dice.random() < CUT_ODDS[way]:
                    self.cuts[way] += 1
                    writer.write(data[: self._dice.randrange(len(data))])
                    break
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            is_hard = self._dice.random() < 0.5
            for transport in ends:
                cut(transport, is_hard)


def cut(transport: asyncio.WriteTransport, is_hard: bool) -> None:
    """Drop a connection; hard means with what the kernel has not delivered yet."""
    if is_hard and not transport.is_closing():
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
