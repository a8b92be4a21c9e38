"""The order of the lines of an export: each is checked against those before it."""

from collections import Counter

from chat.entry import DELETED, File
from commands.archive import VERSION, BadLine, Fields, content_of
from files.store import CHUNK_SIZE

UNIQUE = {  # by kind of line: fields, each over all lines
    "account": ("id", "login_key", "look", "email_key"),
    "entry": ("key",),
}
FOLLOWERS = {  # by kind of line: those that may come next
    "": {"chat"},
    "chat": {"account", "entry", "end"},
    "account": {"account", "entry", "end"},
    "entry": {"entry", "file", "end"},
    "file": {"chunk"},
    "chunk": {"chunk", "preview", "file", "end"},
    "preview": {"file", "end"},
    "end": set[str](),
}


class LineOrder:
    """Checks that lines follow one another as in the file of an export."""

    def __init__(self) -> None:
        self.line = 0
        self.kind = ""  # of the last line
        self._seq = 0  # of the last entry
        self._count = Counter[str]()  # of lines, by kind
        self._seen: set[str] = set()  # values of UNIQUE
        self._files = FileOrder()

    def next(self, fields: Fields) -> None:
        """Check the next line. Raises BadLine."""
        kind = "entry" if fields["type"] in ("message", "change") else fields["type"]
        if kind not in FOLLOWERS[self.kind]:
            raise BadLine(f"the type {fields['type']!r} can't come here")
        if kind == "chat" and fields["version"] != VERSION:
            raise BadLine(
                f"the file is of version {fields['version']}, and this chat reads {VERSION}"
            )
        self.kind = kind
        self._count[kind] += 1
        for name in UNIQUE.get(kind, ()):
            value = f"{name} {fields[name]}"
            if value in self._seen:
                raise BadLine(f"{name!r} is there twice")
            self._seen.add(value)
        if kind == "entry":
            if fields["seq"] <= self._seq:
                raise BadLine("'seq' is not higher than before")
            if fields.get("of", 0) >= fields["seq"]:
                raise BadLine("'of' is no earlier entry")
            self._seq = fields["seq"]
        self._files.next(fields)
        if kind == "end":
            counted = tuple(self._count[each] for each in ("account", "entry", "file"))
            if (fields["accounts"], fields["entries"], fields.get("files", 0)) != counted:
                raise BadLine("lines before it are missing")


class FileOrder:
    """Checks that each file is one that a message has named, and that all of it is there."""

    def __init__(self) -> None:
        # By id of a file that may come: a hash of its first line, because there may be very many.
        self._named: dict[str, int] = {}
        self._file = File("")  # the last one
        self._left = 0  # bytes of it that are still to come
        self._n = 0  # of its next chunk
        self._awaits_preview = False  # whether its preview is still to come

    def next(self, fields: Fields) -> None:
        """Check the next line. Raises BadLine."""
        match fields["type"]:
            case "message" if "file" in fields:
                self._name(fields)
            case "file":
                self._check_whole()
                self._begin(fields)
            case "chunk":
                self._take_chunk(fields)
            case "preview":
                self._take_preview(fields)
            case "end":
                self._check_whole()

    def _name(self, message: Fields) -> None:
        if message.get("state") == DELETED:
            raise BadLine("a deleted message has no file")
        id_ = message["file"]["id"]
        if id_ in self._named:
            raise BadLine("another message has the same file")
        self._named[id_] = _hash_of(message)

    def _begin(self, fields: Fields) -> None:
        file = File.from_document(fields["file"])
        named = self._named.pop(file.id, None)
        if named is None:
            raise BadLine("no message has this file, or it is there twice")
        if named != _hash_of(fields):
            raise BadLine("it is not the file as its message has it")
        self._file, self._left, self._n = file, file.size, 0
        self._awaits_preview = bool(file.preview)

    def _take_chunk(self, fields: Fields) -> None:
        self._check_id(fields)
        if fields["n"] != self._n:
            raise BadLine(f"'n' is not {self._n}, that of the next chunk")
        length = len(content_of(fields))
        if length != min(CHUNK_SIZE, self._left):
            raise BadLine("'data' is too long or too short")
        self._left -= length
        self._n += 1

    def _take_preview(self, fields: Fields) -> None:
        self._check_id(fields)
        if self._left:
            raise BadLine("chunks before it are missing")
        if not self._awaits_preview:
            raise BadLine("the file has no preview")
        self._awaits_preview = False

    def _check_id(self, fields: Fields) -> None:
        if fields["id"] != self._file.id:
            raise BadLine("'id' is not that of the file before it")

    def _check_whole(self) -> None:
        if self._left:
            raise BadLine("chunks before it are missing")
        if self._awaits_preview:
            raise BadLine("the preview before it is missing")


def _hash_of(fields: Fields) -> int:
    return hash((fields["key"], fields["user_id"], File.from_document(fields["file"])))
