"""The process that decodes one picture and encodes it anew, which pictures.py starts.

Usage: python -m files.decoder TYPE <picture >result

The result has pixels, and nothing else of what came: the picture in its own format, its preview in
WebP, and three numbers of four bytes: its width, its height, and the length of the preview. The
status is EX_DATAERR if a picture can't be shown, and EX_CANTCREAT if the disk is full.
"""

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from struct import pack
from typing import Any

from server.children import confine, open_nothing_more

MOST_PIXELS = 50_000_000  # phones take pictures of 48 million
MOST_FRAMES, MOST_PIXELS_IN_ALL = 1_000, 100_000_000
PREVIEW_SIDE, PREVIEW_LIMIT = 960, 700_000  # pixels, of the longer one; bytes, as in pictures.py

if __name__ == "__main__":  # before Pillow is here
    # Bytes, seconds, bytes. A picture that is turned takes 8 bytes a pixel.
    confine(memory=512 * 2**20, processor_time=10, file_size=100_000_000)

from PIL import AvifImagePlugin, GifImagePlugin, Image, ImageCms, ImageOps, ImageSequence  # noqa: E402
from PIL.JpegImagePlugin import JpegImageFile, get_sampling  # noqa: E402

# What Pillow would import when it needs them; by then it may open no file.
LATER = ("copy", "PIL.MpoImagePlugin", "PIL.TiffImagePlugin", "PIL.WebPImagePlugin")
# The quick ways: 12 million pixels take AVIF 1 s at speed 10, and 2.5 s at 8.
OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 2},
    "JPEG": {"quality": 88},
    "GIF": {},
    "WEBP": {"quality": 88, "method": 0},
    "AVIF": {"quality": 75, "speed": 10, "max_threads": 1},
}
JPEG_88 = 885  # the sum of the first table at quality 88; at a lower one it is higher
FEW_COLOURS = 4_096  # as in a drawing, or a piece of a screen: then exact may be smaller, too


def main(kind: str) -> None:
    """Write the result for a picture of this MIME type, and end."""
    Image.preinit()  # imports the other formats
    for name in LATER:
        import_module(name)
    open_nothing_more()
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # no other thread can be started any more
    # Frames of one palette stay so, and take a quarter of the memory.
    strategy = GifImagePlugin.LoadingStrategy.RGB_AFTER_DIFFERENT_PALETTE_ONLY
    GifImagePlugin.LOADING_STRATEGY = strategy
    try:
        _encode_anew(kind.removeprefix("image/").upper())
    except Exception as error:  # of many kinds
        is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        os._exit(os.EX_CANTCREAT if is_full else os.EX_DATAERR)
    os._exit(os.EX_OK)  # at once: the chat waits


def _encode_anew(format_name: str) -> None:
    options, source = OPTIONS[format_name], sys.stdin.buffer
    if b"VP8L" in source.read(64):  # a WebP without loss, which stays so; quality is effort then
        options = {"lossless": True, "quality": 50, "method": 1}
    picture: Image.Image = Image.open(source, formats=[format_name])
    if isinstance(picture, JpegImageFile):
        if sum(picture.quantization.get(0, ())) > JPEG_88:  # of lower quality; it would only grow
            options = {"qtables": picture.quantization}
        options["subsampling"] = get_sampling(picture)
    if "loop" in picture.info:
        options["loop"] = picture.info["loop"]
    picture, *others = map(_shown, _frames(picture, format_name))
    if others:
        options |= {"save_all": True, "append_images": others}
        options["duration"] = [frame.info.get("duration", 0) for frame in (picture, *others)]
        if format_name == "GIF" and any(frame.has_transparency_data for frame in others):
            options["disposal"] = 2  # or one frame would be seen through the next
    preview = _preview(picture)
    picture.save(sys.stdout.buffer, format_name, **options)
    sys.stdout.buffer.write(preview + pack(">III", *picture.size, len(preview)))
    sys.stdout.buffer.flush()


def _frames(picture: Image.Image, format_name: str) -> Iterator[Image.Image]:
    """Yield all frames; of a JPEG only the first, because others belong to no animation."""
    if format_name == "JPEG" or not getattr(picture, "is_animated", False):
        yield picture
        return
    for number, frame in enumerate(ImageSequence.Iterator(picture)):
        pixels = (number + 1) * frame.width * frame.height
        if number == MOST_FRAMES or pixels > MOST_PIXELS_IN_ALL:
            raise ValueError("too many frames")
        if number or not getattr(picture, "default_image", False):  # it is no part of an APNG
            yield frame.copy()


def _shown(frame: Image.Image) -> Image.Image:
    """Return a frame as it is seen: turned as EXIF says, and in the colours of the web (sRGB)."""
    frame.load()
    with suppress(Exception):  # EXIF that can't be read
        ImageOps.exif_transpose(frame, in_place=True)
    profile = frame.info.get("icc_profile")
    if profile and frame.mode in ("L", "RGB", "RGBA", "CMYK"):
        with suppress(ImageCms.PyCMSError, OSError):  # a profile that can't be read
            frame = _in_srgb(frame, ImageCms.ImageCmsProfile(BytesIO(profile)))
    if frame.mode == "CMYK":
        frame = frame.convert("RGB")
    # Pillow would write the rest again, such as a comment.
    kept = ("transparency", "duration")
    frame.info = {key: value for key, value in frame.info.items() if key in kept}
    return frame


def _in_srgb(frame: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    if "sRGB" in ImageCms.getProfileDescription(profile):
        return frame
    mode = "RGBA" if frame.mode == "RGBA" else "RGB"
    in_place, srgb = frame.mode == mode, ImageCms.createProfile("sRGB")
    changed = ImageCms.profileToProfile(frame, profile, srgb, outputMode=mode, inPlace=in_place)
    return changed or frame


def _preview(picture: Image.Image, side: int = PREVIEW_SIDE) -> bytes:
    if picture.mode == "I;16":
        picture = picture.point(lambda value: value / 256).convert("L")
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    scale = min(1, side / max(picture.size))
    width, height = (max(1, round(length * scale)) for length in picture.size)
    # Averaged first, to nearly this size: with more of a gap 12 megapixels take 70 ms, not 25.
    picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=1)
    has_few_colours = picture.getcolors(FEW_COLOURS) is not None
    previews = [BytesIO() for _ in range(1 + has_few_colours)]
    for preview in previews:
        is_exact = preview is not previews[0]
        picture.save(preview, "WEBP", quality=80, method=2, lossless=is_exact)
    smaller = min((preview.getvalue() for preview in previews), key=len)
    # Noise takes a megabyte.
    return smaller if len(smaller) <= PREVIEW_LIMIT else _preview(picture, side // 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
