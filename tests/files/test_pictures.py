"""Pictures are encoded anew, as they look; what can't be shown costs nobody else anything."""

import asyncio
import errno
import os
import re
import signal
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin
from PIL.JpegImagePlugin import get_sampling

from files import pictures as module
from files.kinds import PICTURES, kind_of
from files.pictures import PREVIEW_LIMIT, Pictures
from security.limits import Busy
from server.logs import SeldomLogger
from settings import ROOT
from tests.support.kernel import children, is_running
from tests.support.pictures import (
    ANIMATED,
    FORMATS,
    animation,
    colours,
    corners,
    decoders,
    decoding,
    difference,
    encoded,
    ihdr,
    is_ready,
    near,
    noise,
    png_of,
    show,
    shown,
    spooled,
    swapping_profile,
)
from tests.support.waiting import until

SECRET = b"Only for my eyes"


@pytest.fixture(autouse=True)
def nothing_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test log what an earlier one has."""
    monkeypatch.setattr(module, "seldom", SeldomLogger(module.log))


@cache
def slow() -> bytes:
    """Return a picture that takes a second or two."""
    return encoded(noise(2_500, 2_500), "PNG", compress_level=0)


@cache
def small() -> bytes:
    """Return a picture that takes no time."""
    return encoded(corners(), "PNG")


# What is shown


@pytest.mark.parametrize("form", FORMATS)
async def test_a_picture_keeps_its_format_size_and_colours(form: str) -> None:
    it = await shown(encoded(corners(), form))
    assert (it.width, it.height) == it.picture.size == it.preview_picture.size == (120, 80)
    assert (it.picture.format, it.preview_picture.format) == (form, "WEBP")
    assert colours(it.picture) == colours(it.preview_picture) == "RGBW"


@pytest.mark.parametrize(
    ("size", "preview"),
    [
        ((3000, 2000), (960, 640)),
        ((600, 2400), (240, 960)),
        ((960, 960), (960, 960)),
        ((961, 2), (960, 2)),
        ((4000, 1), (960, 1)),
        ((1, 1), (1, 1)),
    ],
)
async def test_a_preview_has_at_most_960_pixels_on_a_side_and_is_never_enlarged(
    size: tuple[int, int], preview: tuple[int, int]
) -> None:
    it = await shown(encoded(corners(size), "PNG"))
    assert (it.width, it.height) == it.picture.size == size
    assert it.preview_picture.size == preview


TURNED = ["RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"]


@pytest.mark.parametrize(("orientation", "seen"), list(enumerate(TURNED, 1)))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
async def test_a_picture_is_turned_as_exif_says(form: str, orientation: int, seen: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    it = await shown(encoded(corners(), form, exif=exif))
    assert colours(it.picture) == colours(it.preview_picture) == seen
    assert (it.width, it.height) == it.picture.size == ((80, 120) if orientation > 4 else (120, 80))
    assert 0x0112 not in it.picture.getexif()


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0" * 99]
)
async def test_exif_that_cannot_be_read_does_not_matter(exif: bytes) -> None:
    assert colours((await shown(encoded(corners(), "JPEG", exif=exif))).picture) == "RGBW"


@pytest.mark.parametrize("form", FORMATS)
async def test_nothing_is_left_of_what_a_picture_says_beside_its_pixels(form: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()  # the camera
    exif.get_ifd(0x8825)[29] = SECRET.decode()  # the date of the position
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET.decode())
    text.add_text("Squeezed", SECRET.decode(), zip=True)
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    profile = swapping_profile().replace(b"N\0o\0 \0c\0o\0p\0y\0r\0i", b"S\0e\0c\0r\0e\0t\0!\0!")
    everything: dict[str, Any] = {"exif": exif, "icc_profile": profile, "comment": SECRET}
    everything |= {"pnginfo": text} if form == "PNG" else {"xmp": SECRET}
    sent = encoded(corners(), form, **everything) + SECRET
    assert sent.count(SECRET) > 1
    it = await shown(sent)
    for content in (it.content, it.preview):
        for trace in (
            SECRET,
            b"S\0e\0c\0r",
            b"Exif",
            b"eXIf",
            b"EXIF",
            b"XMP",
            b"ns.adobe",
            b"iCCP",
        ):
            assert trace not in content
        assert not re.search(b"ICC_PROFILE|ICCP|[tz]EXt|[tz]TXt|iTXt|colrprof|\x21\xfe", content)
    assert not it.picture.info.keys() & {"exif", "xmp", "icc_profile", "comment", "Comment"}


COLOURS: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: encoded(corners(mode="CMYK"), "JPEG"),
    "palette": lambda: encoded(corners(mode="P"), "PNG"),
    "palette with a transparent colour": lambda: encoded(
        corners().quantize(8), "PNG", transparency=7
    ),
    "palette with alpha": lambda: encoded(corners(mode="RGBA").quantize(8), "PNG"),
    "alpha": lambda: encoded(corners(mode="RGBA"), "WEBP"),
    "a transparent colour": lambda: encoded(corners(), "PNG", transparency=(9, 9, 9)),
    "16 bits": lambda: grid(16, 2, "ffff00000000 0000ffff0000", "00000000ffff ffffffffffff"),
    "16 bits with alpha": lambda: grid(
        16, 6, "ffff00000000ffff 0000ffff0000ffff", "00000000ffffffff ffffffffffffffff"
    ),
}


@pytest.mark.parametrize("name", COLOURS)
async def test_colours_are_right(name: str) -> None:
    it = await shown(COLOURS[name]())
    assert it.picture.mode != "CMYK"  # which not all browsers show in the right colours
    assert colours(it.picture) == colours(it.preview_picture) == "RGBW"


def grid(depth: int, colour: int, *rows: str) -> bytes:
    """Return a PNG of two pixels by two, whose rows are written in hexadecimal digits."""
    data = b"".join(b"\0" + bytes.fromhex(row) for row in rows)
    return png_of(ihdr(2, 2, depth, colour), (b"IDAT", zlib.compress(data)))


@pytest.mark.parametrize(
    ("depth", "colour", "row", "dark"),
    [
        (1, 0, "80", 0),
        (2, 0, "d0", 85),
        (4, 0, "f8", 136),
        (8, 0, "ff80", 128),
        (16, 0, "ffff8000", 128),
        (8, 4, "ffff80ff", 128),
        (16, 4, "ffffffff8000ffff", 128),
    ],
)
async def test_grey_is_right_at_every_depth(depth: int, colour: int, row: str, dark: int) -> None:
    it = await shown(grid(depth, colour, row, row))
    assert near(it.preview_picture.convert("RGB").getpixel((0, 0)), (255, 255, 255))
    assert near(it.preview_picture.convert("RGB").getpixel((1, 0)), (dark, dark, dark))
    if it.picture.mode == "I;16":
        assert it.picture.getpixel((1, 0)) == 0x8000
    else:
        assert near(it.picture.convert("RGB").getpixel((1, 0)), (dark, dark, dark))


async def test_transparent_stays_transparent() -> None:
    picture = corners(mode="RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    for form in ("PNG", "WEBP", "AVIF"):
        it = await shown(encoded(picture, form))
        for each in (it.picture, it.preview_picture):
            assert difference(each.getchannel("A"), picture.getchannel("A")) <= 8


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "AVIF"])
async def test_a_picture_with_a_colour_profile_has_the_colours_of_the_web(form: str) -> None:
    it = await shown(encoded(corners(), form, icc_profile=swapping_profile()))
    assert colours(it.picture) == colours(it.preview_picture) == "GRBW"


@pytest.mark.parametrize("profile", [b"", b"no profile", swapping_profile()[:200]])
async def test_a_broken_profile_does_not_matter(profile: bytes) -> None:
    assert colours((await shown(encoded(corners(), "JPEG", icc_profile=profile))).picture) == "RGBW"


async def test_a_profile_of_the_web_s_colours_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = noise(50, 50)
    it = await shown(encoded(picture, "PNG", icc_profile=profile))
    assert it.picture.tobytes() == picture.tobytes()


async def test_a_jpeg_of_lower_quality_does_not_grow_and_loses_nothing_again() -> None:
    sent = encoded(Image.effect_noise((400, 400), 50).convert("RGB"), "JPEG", quality=60)
    once = await shown(sent)
    assert len(once.content) < 1.1 * len(sent)
    again = await shown(once.content)
    assert difference(once.picture, again.picture) <= 16


async def test_what_came_without_loss_stays_so() -> None:
    picture = noise(60, 40)
    for form in ("PNG", "WEBP"):
        assert (await shown(encoded(picture, form))).picture.tobytes() == picture.tobytes()


@pytest.mark.parametrize("quality", [50, 95])
@pytest.mark.parametrize("sampling", [0, 1, 2])
async def test_a_jpeg_keeps_how_finely_its_colours_are_sampled(sampling: int, quality: int) -> None:
    sent = encoded(corners(), "JPEG", subsampling=sampling, quality=quality)
    assert get_sampling((await shown(sent)).picture) == sampling


async def test_a_drawing_has_an_exact_preview() -> None:
    it = await shown(encoded(corners(), "PNG"))
    assert it.preview_picture.convert("RGB").tobytes() == corners().tobytes()


async def test_a_preview_is_never_large_whatever_it_shows() -> None:
    picture = noise(960, 960)
    picture.putalpha(noise(960, 960).getchannel("R"))
    it = await shown(encoded(picture, "PNG"))
    assert it.preview_picture.size == (480, 480)
    assert len(it.preview) <= PREVIEW_LIMIT


# Animations


@pytest.mark.parametrize("form", ANIMATED)
async def test_an_animation_stays_one_and_its_preview_is_its_first_frame(form: str) -> None:
    options = {} if form == "AVIF" else {"loop": 3}
    sent = animation(form, **options)
    it = await shown(sent)
    before: Any = Image.open(BytesIO(sent))
    after: Any = it.picture
    assert after.n_frames == before.n_frames == 5
    assert after.info.get("loop") == before.info.get("loop")
    for number in range(5):
        before.seek(number)
        after.seek(number)
        after.load()
        assert after.info["duration"] == 60
        for place in range(6):
            colour = (255, 0, 0) if place == number else (255, 255, 255)
            assert near(after.convert("RGB").getpixel((place * 40 + 20, 30)), colour, 40)
    assert not getattr(it.preview_picture, "is_animated", False)
    assert it.preview_picture.size == (240, 60)
    assert near(it.preview_picture.convert("RGB").getpixel((20, 30)), (255, 0, 0), 60)


@pytest.mark.parametrize("form", ANIMATED)
async def test_no_frame_is_seen_through_the_next_one(form: str) -> None:
    pictures = [Image.new("RGBA", (100, 30)) for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture.paste("red", (number * 30, 0, number * 30 + 30, 30))
        picture.putpixel((number * 30, 0), (0, 0, 0, 0))  # or WebP would not know of transparency
    more: dict[str, Any] = {"disposal": 2} if form in ("GIF", "PNG") else {}
    it = await shown(
        encoded(pictures[0], form, save_all=True, append_images=pictures[1:], duration=50, **more)
    )
    after: Any = it.picture
    for number in range(3):
        after.seek(number)
        alpha = after.convert("RGBA").getchannel("A")
        assert [alpha.getpixel((x, 15)) > 128 for x in (15, 45, 75)] == [
            place == number for place in range(3)
        ]


async def test_what_an_apng_shows_where_it_cannot_move_is_no_part_of_it() -> None:
    sent = animation("PNG", default_image=True)
    it: Any = (await shown(sent)).picture
    assert it.n_frames == 4
    assert near(it.convert("RGB").getpixel((60, 30)), (255, 0, 0))  # the second one


async def test_a_gif_that_plays_once_does_so_still() -> None:
    assert "loop" not in (await shown(animation("GIF"))).picture.info


async def test_a_picture_of_the_same_view_in_a_jpeg_is_left_out() -> None:
    file = BytesIO()
    corners().save(file, "MPO", save_all=True, append_images=[noise(120, 80)])
    it = await shown(file.getvalue())
    assert kind_of("", it.content) == "image/jpeg"
    assert len(it.content) < len(encoded(noise(120, 80), "JPEG"))


# What is not


PIXEL = (b"IDAT", zlib.compress(b"\0\0"))
HTML = b"<!doctype html><script>alert(1)</script>"
ZIP = b"PK\x03\x04\x14\x00" + b"evil.exe" * 20


def gif_and_script() -> bytes:
    """Return a GIF that a browser could run as JavaScript: its size begins a comment."""
    gif = bytearray(encoded(Image.new("P", (0x2F, 0x2A)), "GIF", comment=b"*/=1;alert(1)/*"))
    return bytes(gif) + b"*/=1;alert(1)"


TWO_THINGS: dict[str, Callable[[], bytes]] = {
    "a PNG with HTML as a text": lambda: png_of(ihdr(1, 1), (b"tEXt", b"a\0" + HTML), PIXEL),
    "a PNG with HTML in a chunk of its own": lambda: png_of(ihdr(1, 1), (b"htMl", HTML), PIXEL),
    "a PNG and HTML": lambda: small() + HTML,
    "a JPEG with HTML": lambda: encoded(corners(), "JPEG", comment=HTML),
    "a JPEG and a ZIP": lambda: encoded(corners(), "JPEG") + ZIP,
    "a GIF and a script": gif_and_script,
    "a WebP with HTML": lambda: encoded(corners(), "WEBP", exif=HTML),
    "an AVIF with HTML": lambda: encoded(corners(), "AVIF", xmp=HTML),
    "an AVIF and a ZIP": lambda: encoded(corners(), "AVIF") + ZIP,
}


@pytest.mark.parametrize("name", TWO_THINGS)
async def test_of_two_things_in_one_file_only_the_picture_is_left(name: str) -> None:
    content = TWO_THINGS[name]()
    it = await shown(content)
    for hidden in (HTML, ZIP, b"alert(1)"):
        assert hidden not in it.content + it.preview
    assert any(hidden in content for hidden in (HTML, ZIP, b"alert(1)"))


@pytest.mark.parametrize("form", FORMATS)
async def test_a_picture_is_what_its_bytes_say_whatever_it_is_called(form: str) -> None:
    content = encoded(corners(), form)
    kind = kind_of("photo.html", content)
    assert kind == f"image/{form.lower()}"
    assert await show(content, kind)
    for other in PICTURES - {kind}:
        assert await show(content, other) is None


def data_of(size: int) -> tuple[bytes, bytes]:
    """Return a chunk with so many bytes of a PNG's pixels."""
    return b"IDAT", zlib.compress(bytes(size), 9)


def bomb() -> bytes:
    """Return what becomes 200 MB when it is decompressed."""
    return b"a\0\0" + zlib.compress(bytes(200_000_000), 9)


def gif_of(frames: int, width: int = 1, height: int = 1) -> bytes:
    """Return a GIF of this size, whose frames have one pixel each."""
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    return head + b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0" * frames + b";"


NOT_SHOWN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a signature": lambda: b"\x89PNG\r\n\x1a\n",
    "text": lambda: b"Hello",
    "HTML": lambda: HTML,
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "a JPEG's beginning": lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "400 million pixels": lambda: png_of(ihdr(20_000, 20_000), data_of(1_000_000)),
    "51 million pixels": lambda: encoded(Image.new("1", (51_000, 1_000)), "PNG"),
    "no pixels": lambda: png_of(ihdr(0, 0), data_of(0)),
    "fewer pixels than it says": lambda: png_of(ihdr(1_000, 1_000), data_of(1_000)),
    "broken data": lambda: png_of(ihdr(100, 100), (b"IDAT", os.urandom(1_000))),
    "10,000 frames": lambda: gif_of(10_000),
    "frames of 120 million pixels": lambda: gif_of(4, 6_000, 5_000),
    "a frame that is larger than its GIF": lambda: gif_of(1).replace(
        b"\x01\0\x01\0\0\x02", b"\xff\xff\xff\xff\0\x02"
    ),
    "a long text": lambda: png_of(ihdr(1, 1), (b"zTXt", bomb()), PIXEL),
}


@pytest.mark.parametrize("name", NOT_SHOWN)
async def test_what_cannot_be_shown_is_not_and_nothing_is_logged(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = NOT_SHOWN[name]()
    kind = kind_of("", content)
    assert await show(content, kind if kind in PICTURES else "image/png") is None
    assert not caplog.records


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("form", FORMATS)
async def test_half_a_picture_is_not_shown(form: str, part: float) -> None:
    content = encoded(noise(200, 200), form)
    assert await show(content[: int(len(content) * part)]) is None


@pytest.mark.parametrize("form", ANIMATED)
async def test_half_an_animation_is_not_shown(form: str) -> None:
    content = animation(form)
    assert await show(content[: len(content) * 3 // 4]) is None


@pytest.mark.parametrize("chunks", ["a profile", "empty ones"])
async def test_what_grows_beside_the_pixels_does_not_matter(chunks: str) -> None:
    more = [(b"iCCP", bomb())] if chunks == "a profile" else [(b"IDAT", b"")] * 100_000
    it = await show(png_of(ihdr(1, 1), *more, PIXEL))
    assert it is None or len(it.content) < 1_000


# The process


async def test_a_decoder_that_crashes_costs_only_its_picture_and_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pictures = Pictures()
    async with decoding(pictures, slow()) as (process, task):
        os.kill(process, signal.SIGKILL)
        assert await show(small(), pictures=pictures)
        assert await task is None
    assert await show(small(), pictures=pictures)
    lines = ["the decoder of image/png ended with status -9"]
    assert [record.getMessage() for record in caplog.records] == lines


async def test_a_decoder_that_hangs_is_ended_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = Pictures()
    async with decoding(pictures, slow()) as (process, task):
        os.kill(process, signal.SIGSTOP)
        assert await show(small(), pictures=pictures)
        assert not task.done()
    assert not is_running(process)
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(module, "DEADLINE", 1)
    assert await show(small(), pictures=pictures) is None
    assert not decoders()  # nor a zombie
    assert len(caplog.records) == 1


async def test_two_are_decoded_at_once_and_the_next_one_waits_or_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = Pictures()
    async with decoding(pictures, slow()) as (first, _), decoding(pictures, slow()) as (_, _):
        await until(lambda: len(decoders()) == 2)
        for process in decoders():
            os.kill(process, signal.SIGSTOP)
        third = asyncio.create_task(show(small(), pictures=pictures))
        await until(lambda: pictures._turns._lines["all"].inside == 3)
        monkeypatch.setattr(pictures._turns, "_patience", 0.1)
        with pytest.raises(Busy):
            await show(small(), pictures=pictures)
        assert len(decoders()) == 2
        os.kill(first, signal.SIGKILL)
        assert await third


async def test_pictures_of_one_person_are_decoded_one_at_a_time_and_hold_up_nobody_else() -> None:
    pictures = Pictures()
    async with decoding(pictures, slow(), "alice") as (first, _):
        os.kill(first, signal.SIGSTOP)
        hers = [asyncio.create_task(show(small(), "", pictures, "alice")) for _ in range(3)]
        await until(lambda: pictures._turns_of_person._lines["alice"].inside == 4)
        assert await show(small(), "", pictures, "bob")
        os.kill(first, signal.SIGKILL)
        assert all(await asyncio.gather(*hers))
    assert not pictures._turns_of_person._lines


async def test_nobody_waits_for_the_picture_of_somebody_who_has_gone() -> None:
    async with decoding(Pictures(), slow()) as (process, task):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not decoders()
        assert not is_running(process)


async def test_a_decoder_knows_no_secret_has_nothing_open_and_can_open_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "a secret")
    with tempfile.TemporaryFile() as other:
        os.set_inheritable(other.fileno(), True)
        async with decoding(Pictures(), slow()) as (process, _):
            os.kill(process, signal.SIGSTOP)
            folder = Path(f"/proc/{process}")
            assert (folder / "environ").read_bytes() == b""
            assert sorted(os.listdir(folder / "fd")) == ["0", "1", "2"]
            limits = (folder / "limits").read_text()
            for limit in ("Max open files +0 +0", "Max processes +0 +0", "Max cpu time +10 +10"):
                assert re.search(limit, limits)
            assert os.getpriority(os.PRIO_PROCESS, process) == os.nice(0) + 10
            assert (folder / "oom_score_adj").read_text() == "1000\n"


async def test_a_decoder_ends_with_the_chat() -> None:
    program = (
        "import asyncio, sys; from files.pictures import PREVIEW_LIMIT, Pictures\n"
        "asyncio.run(Pictures().show(sys.stdin.buffer, 'image/png', '1'))"
    )
    with spooled(slow()) as file:
        file.seek(0)
        chat = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program), stdin=file, cwd=ROOT
        )
        await until(lambda: children(chat.pid))
        (process,) = children(chat.pid)
        await until(lambda: is_ready(process))
        chat.kill()
        await chat.wait()
        await until(lambda: not is_running(process))


async def test_where_no_process_can_be_started_a_picture_is_refused_for_now(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def no_process(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    pictures = Pictures()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", no_process)
        for _ in range(3):
            with pytest.raises(Busy):
                await show(small(), pictures=pictures)
    assert len(caplog.records) == 1
    assert await show(small(), pictures=pictures)


async def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(buffering: int) -> IO[bytes]:
        return open("/dev/full", "r+b", buffering=buffering)

    with spooled(small()) as content, monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", full_disk)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            await Pictures().show(content, "image/png", "1")


async def test_what_this_pillow_cannot_decode_is_not_shown_and_all_else_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['PIL._avif'] = None")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert await show(encoded(corners(), "AVIF")) is None
    assert await show(encoded(corners(), "JPEG"))
    assert not caplog.records


async def test_what_a_decoder_writes_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, struct\n"
        "os.write(1, bytes(3_000_000) + struct.pack('>III', 1, 1, 2_500_000)); os._exit(0)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert await show(small()) is None
    assert len(caplog.records) == 1
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(0)")
    assert await show(small()) is None


async def test_the_chat_itself_never_imports_pillow() -> None:
    program = "import sys, app, files.pictures; sys.exit('PIL' in sys.modules)"
    chat = await asyncio.create_subprocess_exec(*(sys.executable, "-c", program), cwd=ROOT)
    assert await chat.wait() == 0
