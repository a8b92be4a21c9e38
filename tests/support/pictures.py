"""Pictures to send, and what becomes of them."""

import asyncio
import os
import re
import secrets
import struct
import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image, ImageChops, ImageCms

from files.kinds import kind_of
from files.pictures import Pictures
from tests.support.kernel import children
from tests.support.waiting import until

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
LETTERS = {"R": RED, "G": GREEN, "B": BLUE, "W": WHITE}
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF")
ANIMATED = ("PNG", "GIF", "WEBP", "AVIF")
# Written so that colours come back as they were, as far as the format can.
EXACT: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}


class Shown(NamedTuple):
    """What has become of a picture."""

    width: int
    height: int
    content: bytes
    preview: bytes

    @property
    def picture(self) -> Image.Image:
        """The picture as it was encoded anew."""
        return Image.open(BytesIO(self.content))

    @property
    def preview_picture(self) -> Image.Image:
        """The preview."""
        return Image.open(BytesIO(self.preview))


Decoding = asyncio.Task[Shown | None]


async def show(
    content: bytes, kind: str = "", pictures: Pictures | None = None, user_id: str = ""
) -> Shown | None:
    """Decode a picture, of this MIME type or of the one that it is, by default for a new person."""
    kind, user_id = kind or kind_of("", content[:4096]), user_id or secrets.token_hex()
    with spooled(content) as file:
        picture = await (pictures or Pictures()).show(file, kind, user_id)
        assert file.read() == content  # from its beginning
    if picture is None:
        return None
    with picture.content:
        whole = picture.content.read()
    assert len(whole) == picture.size
    return Shown(picture.width, picture.height, whole, picture.preview)


async def shown(content: bytes, kind: str = "") -> Shown:
    """Decode a picture that can be shown."""
    picture = await show(content, kind)
    assert picture is not None
    return picture


def spooled(content: bytes) -> IO[bytes]:
    """Return a file as an upload leaves it: its beginning has been read."""
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - for a with statement
    file.write(content)
    file.seek(0)
    file.read(4096)
    return file


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture as a file."""
    file = BytesIO()
    picture.save(file, form, **{**EXACT.get(form, {}), **options})
    return file.getvalue()


def corners(size: tuple[int, int] = (120, 80), mode: str = "RGB") -> Image.Image:
    """Return a picture of four colours: RED and GREEN above BLUE and WHITE."""
    width, height = size
    picture = Image.new("RGB", size, WHITE)
    picture.paste(RED, (0, 0, width // 2, height // 2))
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    return picture.convert(mode)


def colours(picture: Image.Image) -> str:
    """Name the colours of a picture's corners, from left to right: RG above BW is RGBW."""
    picture = picture.convert("RGBA").convert("RGB")
    right, bottom = picture.width * 3 // 4, picture.height * 3 // 4
    left, top = picture.width // 4, picture.height // 4
    places = [(left, top), (right, top), (left, bottom), (right, bottom)]
    pixels = [picture.getpixel(place) for place in places]
    return "".join(
        next((letter for letter, colour in LETTERS.items() if near(pixel, colour, 40)), "?")
        for pixel in pixels
    )


def near(colour: Any, other: tuple[int, ...], within: int = 1) -> bool:
    """Tell whether two colours are almost the same."""
    return all(abs(a - b) <= within for a, b in zip(colour, other, strict=True))


def difference(one: Image.Image, other: Image.Image) -> int:
    """Return by how much the pixels of two pictures differ at most."""
    bands = ImageChops.difference(one, other).split()
    extrema: list[Any] = [band.getextrema() for band in bands]
    return int(max(high for _, high in extrema))


def noise(width: int, height: int) -> Image.Image:
    """Return a picture that takes long, and can't be made small."""
    return Image.frombytes("RGB", (width, height), os.urandom(3 * width * height))


def animation(form: str, frames: int = 5, **options: Any) -> bytes:
    """Return an animation: a red square moves over white, 40 pixels and 60 ms at a time."""
    pictures = []
    for number in range(frames):
        pictures.append(Image.new("RGB", (240, 60), WHITE))
        pictures[-1].paste(RED, (number * 40, 10, number * 40 + 40, 50))
    more = {"save_all": True, "append_images": pictures[1:], "duration": 60, **options}
    return encoded(pictures[0], form, **more)


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of these chunks, and the one that ends it."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (*chunks, (b"IEND", b""))
    )


def ihdr(width: int, height: int, depth: int = 8, colour: int = 0) -> tuple[bytes, bytes]:
    """Return a PNG's first chunk; `colour`: 0 for grey, 2 for RGB, 4 and 6 for these with alpha."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def swapping_profile() -> bytes:
    """Return a colour profile in which red and green have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace(b"s\0R\0G\0B", b"x\0R\0G\0B").replace(b"sRGB", b"xRGB")


@asynccontextmanager
async def decoding(
    pictures: Pictures, content: bytes, user_id: str = ""
) -> AsyncIterator[tuple[int, Decoding]]:
    """Decode a picture that takes long; yield the process, once it looks at it, and its task."""
    task = asyncio.create_task(show(content, "", pictures, user_id))
    try:
        await until(lambda: any(map(is_ready, decoders())))
        yield next(filter(is_ready, decoders())), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def decoders() -> list[int]:
    """Return the ids of the processes that decode pictures, or have not been waited for."""
    return [pid for pid in children(os.getpid()) if _is_decoder(pid)]


def _is_decoder(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return False
    return b"files.decoder" in command or not command  # a zombie has none


def is_ready(pid: int) -> bool:
    """Tell whether a process has taken from itself what it does not need."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:  # it has ended
        return False
    return re.search(r"Max open files +0 ", limits) is not None
