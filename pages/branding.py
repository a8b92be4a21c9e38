"""What a room is called and looks like: its name, colour and logo in the static files."""

import json
import struct
import zlib

from pages.accent import mix, read_colour, tones
from settings import Logo, Settings

MANIFEST = "manifest.webmanifest"
STYLE = "css/base.css"
ICON = "img/icon.svg"
ICON_COLOUR = "#3454d1"  # of the icons in the folder, and of base.css
PALETTE = b"PLTE"  # the piece of a PNG that has its colours


def logo_path(logo: Logo) -> str:
    """Return where among the static files the room's logo is."""
    return f"img/logo.{logo.kind}"


def branded(name: str, body: bytes, settings: Settings) -> bytes:
    """Return a static file as this room has it."""
    if name == MANIFEST:
        return _manifest(json.loads(body), settings)
    if not settings.ROOM_COLOR:
        return body
    light, dark = tones(settings.ROOM_COLOR)
    if name == STYLE:
        return body + f":root {{ --accent: light-dark({light}, {dark}); }}\n".encode()
    if name == ICON:
        return body.replace(ICON_COLOUR.encode(), light.encode())
    if name.startswith("img/") and PALETTE in body:
        return _recoloured(body, light)
    return body


def _manifest(manifest: dict[str, object], settings: Settings) -> bytes:
    manifest |= {"name": settings.ROOM_NAME, "short_name": settings.ROOM_NAME}
    if settings.ROOM_COLOR:
        manifest["theme_color"] = tones(settings.ROOM_COLOR).light
    if logo := settings.ROOM_LOGO:
        sizes, content_type = "any", "image/svg+xml"
        if logo.kind == "png":
            width, height = struct.unpack(">II", logo.content[16:24])
            sizes, content_type = f"{width}x{height}", "image/png"
        src = f"/static/{logo_path(logo)}"
        manifest["icons"] = [{"src": src, "sizes": sizes, "type": content_type}]
    return json.dumps(manifest).encode()


def _recoloured(png: bytes, colour: str) -> bytes:
    """Return an icon, whose palette goes from ICON_COLOUR to white, in another colour."""
    start = png.index(PALETTE)
    (length,) = struct.unpack(">I", png[start - 4 : start])
    end = start + 4 + length
    white, old, new = (255, 255, 255), read_colour(ICON_COLOUR), read_colour(colour)
    shares = [(red - old[0]) / (255 - old[0]) for red in png[start + 4 : end : 3]]
    piece = PALETTE + b"".join(bytes(mix(new, white, share)) for share in shares)
    return png[:start] + piece + struct.pack(">I", zlib.crc32(piece)) + png[end + 4 :]
