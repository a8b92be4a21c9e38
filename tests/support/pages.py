"""Pages as a reader finds them."""

import re
from html.parser import HTMLParser
from typing import NamedTuple

import aiohttp


class Shown(NamedTuple):
    """A message as it stands on a screen."""

    seq: int
    user: str
    msg: str


class HistoryPage(HTMLParser):
    """A page of the talk, as a reader finds it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.older: str | None = None  # the path of the page before it
        self._messages: dict[int, dict[str, str]] = {}  # by number, the texts of their parts
        self._texts: dict[str, str] = {}
        self._parts: list[str] = []  # the classes of the elements that are open
        self.feed(html)

    @property
    def lines(self) -> list[Shown]:
        """The messages."""
        return [
            Shown(seq, texts["message__author"].strip("()"), texts["message__text"])
            for seq, texts in self._messages.items()
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notice where a message begins, each of its parts, and the link to what is older."""
        attributes = dict(attrs)
        if attributes.get("id") == "older":
            self.older = attributes["href"]
        elif seq := attributes.get("data-seq"):
            self._texts, self._parts = {}, []
            self._messages[int(seq)] = self._texts
        elif tag == "template":
            self._texts = {}
        self._parts.append(attributes.get("class") or "")

    def handle_data(self, data: str) -> None:
        """Take the text of a part, and of those it is in."""
        for part in self._parts:
            self._texts[part] = self._texts.get(part, "") + data

    def handle_endtag(self, tag: str) -> None:
        """Leave the part."""
        if self._parts:
            self._parts.pop()


class FormPage(HTMLParser):
    """A page with a form: what its fields hold, and beside which of them the error stands."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.error = ""
        self.error_field: str | None = None
        self._is_alert = False
        self._field: str | None = None
        self.feed(html)

    @classmethod
    async def read(cls, response: aiohttp.ClientResponse) -> "FormPage":
        """Read the page of a response."""
        assert response.content_type == "text/html"
        return cls(await response.text())

    @property
    def marked(self) -> list[str]:
        """The fields that are marked as invalid."""
        return [name for name, field in self.inputs.items() if field.get("aria-invalid") == "true"]

    def value(self, name: str) -> str | None:
        """Return what a field holds."""
        return self.inputs[name].get("value")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the fields; the error is its field's that stands before it."""
        attributes = dict(attrs)
        if tag in ("input", "textarea"):
            self._field = attributes["name"]
            assert self._field is not None
            self.inputs[self._field] = attributes
        self._is_alert = attributes.get("role") == "alert"

    def handle_endtag(self, tag: str) -> None:
        """Leave the error behind."""
        self._is_alert = False

    def handle_data(self, data: str) -> None:
        """Take the error's text."""
        if self._is_alert and data.strip():
            self.error, self.error_field = data.strip(), self._field


def told(page: str) -> str | None:
    """Return what the page says has been done."""
    found = re.search(r'role="status">(.*?)<', page)
    return found and found[1]
