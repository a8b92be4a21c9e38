"""How a message shows its file. static/js/log/file.js does the same."""

import re
from typing import NamedTuple

from chat.entry import File

WIDTH, HEIGHT = 400, 320  # CSS pixels that a preview may take
EXTENSION = re.compile(r"[^.]\.([A-Za-z0-9]{1,5})$")
# What the browser's own player plays; no browser takes them for a page or a script.
PLAYED = {
    *("audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/flac", "audio/wav"),
    *("audio/webm", "video/mp4", "video/quicktime", "video/webm", "video/ogg"),
}
WORDS = {"image": "picture", "audio": "sound", "video": "video"}


class ShownFile(NamedTuple):
    """What a message shows of its file."""

    width: int  # CSS pixels of its preview
    height: int
    sign: str  # stands for its kind, as in "PDF"
    kind: str  # in words, as in "PDF file"
    player: str  # "audio" or "video" if a browser may play it, else ""


def shown_file(file: File) -> ShownFile:
    """Return what a message shows of its file."""
    scale = min(1.0, WIDTH / (file.width or 1), HEIGHT / (file.height or 1))
    width, height = (max(1, int(side * scale + 0.5)) for side in (file.width, file.height))
    group = file.type.partition("/")[0]
    extension = found[1].upper() if (found := EXTENSION.search(file.name)) else ""
    word = WORDS.get(group, "file")
    kind = f"{extension} {word}" if extension else word.capitalize()
    player = group if file.type in PLAYED else ""
    return ShownFile(width, height, extension or "FILE", kind, player)
