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


class _Page(HTMLParser):
    """A page, of which subclasses notice the elements they are after."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._open: list[tuple[str, str]] = []  # the tags that are open, with their classes
        self.older: str | None = None  # the paths of the pages before and after it
        self.newer: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notice an element, and the links to other pages."""
        attributes = {name: value or "" for name, value in attrs}
        if attributes.get("id") in ("older", "newer"):
            setattr(self, attributes["id"], attributes["href"])
        self.begin(tag, attributes)
        self._open.append((tag, attributes.get("class", "")))

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """Notice an element."""

    def handle_endtag(self, tag: str) -> None:
        """Close what is open down to a tag."""
        while self._open and self._open.pop()[0] != tag:
            pass


class HistoryPage(_Page):
    """A page of the talk, as a reader finds it."""

    def __init__(self, html: str) -> None:
        self._messages: dict[int, dict[str, str]] = {}  # by number, the texts of their parts
        self._texts: dict[str, str] = {}
        super().__init__(html)

    @property
    def lines(self) -> list[Shown]:
        """The messages."""
        return [
            Shown(seq, texts["message__author"].strip("()"), texts.get("message__text", ""))
            for seq, texts in self._messages.items()
        ]

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """Notice where a message begins; the template of one is none."""
        if "data-seq" in attributes or tag == "template":
            self._texts, self._open = {}, []
        if "data-seq" in attributes:
            self._messages[int(attributes["data-seq"])] = self._texts

    def handle_data(self, data: str) -> None:
        """Take the text of a part, and of those it is in."""
        for part in {part for _, classes in self._open for part in classes.split()}:
            self._texts[part] = self._texts.get(part, "") + data


class Finds(_Page):
    """A page of the search, as a reader finds it."""

    def __init__(self, html: str) -> None:
        self.texts: list[str] = []
        self.marks: list[str] = []
        self.links: list[str] = []
        self.query = ""  # what stands in the field
        super().__init__(html)

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """Notice links, and where a text or a mark begins."""
        name = attributes.get("class")
        if name == "find__link":
            self.links.append(attributes["href"])
        elif name == "find__text":
            self.texts.append("")
        elif tag == "mark":
            self.marks.append("")
        elif attributes.get("id") == "q":
            self.query = attributes["value"]

    def handle_data(self, data: str) -> None:
        """Take the text of a find, and of a mark in it."""
        if ("p", "find__text") in self._open:
            self.texts[-1] += data
            if ("mark", "") in self._open:
                self.marks[-1] += data


class FormPage(HTMLParser):
    """A page with a form: what its fields hold, and beside which of them the error stands."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.error = ""
        self.error_field: str | None = None
        self.retry_after = 0  # seconds; 0 where the response names none
        self._is_alert = False
        self._field: str | None = None
        self.feed(html)

    @classmethod
    async def read(cls, response: aiohttp.ClientResponse) -> "FormPage":
        """Read the page of a response."""
        assert response.content_type == "text/html"
        page = cls(await response.text())
        page.retry_after = int(response.headers.get("Retry-After", 0))
        return page

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
        if tag in ("input", "textarea") and (name := attributes.get("name")):
            self._field = name
            self.inputs.setdefault(name, attributes)  # the form for files comes later
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
