"""The views of files: take uploads, and serve files and previews to people who are signed in."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from aiohttp import web

from auth.pages import SIGNED_OUT
from auth.sessions import IDENTITY, SESSIONS
from chat import wire
from chat.entry import File, MessageEntry, message_key
from chat.journal import JOURNAL
from chat.models import MESSAGES, NonceUsed, new_nonce
from chat.refused import Refused
from chat.views import check_sender, form_error, place_after
from files import kinds
from files.parts import PER_HOUR, READS, SENT_FILES, UPLOADS
from files.pictures import PICTURES
from files.store import FILES, FileGone, NewFile
from files.uploads import Received, on_disk, receive
from files.usage import OverQuota
from pages.forms import FORM, FormError, error_response, too_busy, wants_json
from pages.streaming import is_known, read_range, stream
from security.headers import FILE_POLICY
from security.limits import Busy
from server.metrics import METRICS
from storage.database import DatabaseUnavailable

WRITE_TIMEOUT = 30  # seconds for a client to take a chunk; a player that pauses asks again
# By status, for the metrics.
REASONS = {403: "off", 408: "stalled", 413: "too_large", 429: "too_many", 503: "busy", 507: "full"}
HEAD_LENGTH = 4096  # bytes of a file, by which its kind is known
NOT_THERE = "This file does not exist, or not any more."


class Upload(web.View):
    """Take files: a script's, for messages that name them later, or a form's with its message."""

    prefers_json = True

    async def post(self) -> web.Response:
        """Store the files; if the form has a message, send it with them."""
        form = self.request[FORM] = {}
        unnamed: list[File] = []  # those stored that no message has yet: they go in the end
        try:
            check_pace(self.request.app[SENT_FILES].wait(self.request[IDENTITY].user_id))
            async with self.request.app[UPLOADS].turn("all"):
                async for received in receive(self.request, form, self.check_meanwhile):
                    with received.content:
                        unnamed.append(await self.store(received))
            await check_session(self.request)
            return await self.answer(form, unnamed)
        except Busy:
            return self.refuse(form, too_busy())
        except FormError as error:
            return self.refuse(form, error)
        finally:
            for file in unnamed:
                self.request.app[FILES].forget(file.id)

    async def store(self, received: Received) -> File:
        """Store a file that has arrived. Raises FormError, HTTPUnauthorized."""
        await check_session(self.request)
        if not received.size:
            raise FormError(400, "This file is empty.")
        app, user_id = self.request.app, self.request[IDENTITY].user_id
        check_pace(app[SENT_FILES].use_or_wait(user_id))
        head = received.content.read(HEAD_LENGTH)
        received.content.seek(0)
        name, text = kinds.clean_name(received.name), kinds.first_lines(head)
        kind = kinds.kind_of(name, head)
        new = NewFile(name, kind, received.content, received.size, text=text)
        try:
            if kind in kinds.PICTURES:
                with on_disk():
                    shown = await app[PICTURES].show(received.content, kind, user_id)
                if shown:
                    new = new._replace(**shown._asdict())
            with new.content:
                return await app[FILES].add(user_id, new)
        except OverQuota as full:
            raise FormError(507, str(full)) from None
        except (Busy, DatabaseUnavailable):
            app[SENT_FILES].give_back(user_id)  # it will be sent again
            raise

    async def check_meanwhile(self) -> None:
        """Check the session while a body arrives, which may take hours. Raises HTTPUnauthorized."""
        with suppress(DatabaseUnavailable):  # it may be back before the end
            await check_session(self.request)

    async def answer(self, form: dict[str, str], unnamed: list[File]) -> web.Response:
        """Say what is stored, after the form's message is sent, if it has one. Raises FormError.

        What is kept is taken out of `unnamed`.
        """
        check_sender(self.request[IDENTITY], {**self.request.query, **form})
        if not unnamed:
            raise FormError(400, "Please choose a file.")
        if "msg" not in form:
            if len(unnamed) > 1:
                raise FormError(400, "Several files need a field msg, which may be empty.")
            return web.json_response(unnamed.pop().to_document(), status=201)
        sent: list[dict[str, Any]] = []
        try:
            nonce, msg = wire.read_nonce(form.get("nonce") or None) or new_nonce(), form["msg"]
            while unnamed:
                # From now on a message may name it, even if that seems to fail.
                sent.append(await self.send(unnamed.pop(0), msg, nonce))
                nonce, msg = f"{nonce}+", ""
        except Refused as refused:
            raise form_error(self.request, refused, form) from None
        place = place_after(self.request, form, sent[-1]["seq"])
        if wants_json(self.request):
            return web.json_response(sent[0], status=201)
        raise web.HTTPSeeOther(place)

    async def send(self, file: File, msg: str, nonce: str) -> dict[str, Any]:
        """Send a message with a file; return what it says of it, and its number. Raises Refused."""
        app, user = self.request.app, self.request[IDENTITY]
        try:
            seq = (await app[MESSAGES].save(user, msg, nonce, file.id)).seq
        except Refused as refused:
            if refused.code != "unavailable":  # else the message may be stored
                app[FILES].forget(file.id)
            if not isinstance(refused, NonceUsed):
                raise
            match await app[JOURNAL].find(message_key(user.user_id, nonce)):
                # The same form again, with a copy of the file.
                case MessageEntry(seq=seq, file=File() as earlier) if is_copy(file, earlier):
                    file = earlier
                case _:
                    raise
        return {**file.to_document(), "seq": seq}

    def refuse(self, form: dict[str, str], error: FormError) -> web.Response:
        """Say why the files are refused, with what else the form has."""
        reason = REASONS.get(error.status, "invalid")
        self.request.app[METRICS].uploads_refused.labels(reason).inc()
        context = {"form": form, "has_files": True}
        return error_response(self.request, "error.html", context, error)


class FileContent(web.View):
    """A file, or the range of it that is asked for."""

    async def get(self) -> web.StreamResponse:
        """Send the file, a chunk at a time. Raises HTTPNotFound."""
        request, user_id = self.request, self.request[IDENTITY].user_id
        file = await find_file(request)
        is_inline = kinds.is_inline(file.type, file.width > 0) and "download" not in request.query
        headers = {
            **headers_of(file.id),
            "Content-Type": file.type if is_inline else kinds.UNKNOWN,
            "Content-Disposition": kinds.content_disposition(file.name, is_inline),
            "Accept-Ranges": "bytes",
        }
        if is_known(request, file.id):
            return web.Response(status=304, headers=headers)
        asked = read_range(request, file.id, file.size)
        start, end = asked or (0, file.size)
        if start >= end:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{file.size}"})
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        response = web.StreamResponse(status=206 if asked else 200, headers=headers)
        response.content_length = end - start
        chunks = self.chunks(file.id, start, end)
        try:
            async with request.app[READS].turn(user_id):
                failures = (FileGone, web.HTTPUnauthorized, DatabaseUnavailable)
                await stream(request, response, chunks, WRITE_TIMEOUT, failures)
        except FileGone:
            raise web.HTTPNotFound(text=NOT_THERE) from None
        except Busy:
            text = "You are reading too many files at once, please wait a moment."
            raise web.HTTPTooManyRequests(text=text, headers={"Retry-After": "2"}) from None
        return response

    async def chunks(self, file_id: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield a range of the file while its reader is signed in: a slow one may take hours.

        Raises FileGone, HTTPUnauthorized, DatabaseUnavailable.
        """
        async for chunk in self.request.app[FILES].read(file_id, start, end):
            await check_session(self.request)
            yield chunk

    head = get


class Preview(web.View):
    """The preview of a picture."""

    async def get(self) -> web.Response:
        """Send the preview. Raises HTTPNotFound, DatabaseUnavailable."""
        file = await find_file(self.request)
        etag = f"{file.id}-preview"
        headers = {**headers_of(etag), "Content-Type": "image/webp"}
        if is_known(self.request, etag):
            return web.Response(status=304, headers=headers)
        preview = await self.request.app[FILES].preview(file.id)
        if preview is None:
            raise web.HTTPNotFound(text=NOT_THERE)
        return web.Response(body=preview, headers=headers)

    head = get


async def check_session(request: web.Request) -> None:
    """Check that a session has not ended meanwhile.

    Raises HTTPUnauthorized, DatabaseUnavailable.
    """
    if not await request.app[SESSIONS].identify(request[IDENTITY].session_id):
        raise web.HTTPUnauthorized(text=SIGNED_OUT)


def check_pace(wait: float) -> None:
    """Refuse a file if its sender has to wait. Raises FormError."""
    if wait:
        text = f"You have sent {PER_HOUR} files within an hour. Please wait a while."
        raise FormError(429, text, retry_after=wait)


async def find_file(request: web.Request) -> File:
    """Return the file of an address: the reader's own, or one that a message names.

    Raises HTTPNotFound, DatabaseUnavailable.
    """
    document = await request.app[FILES].find(request.match_info["id"])
    if document and (document["key"] or document["user_id"] == request[IDENTITY].user_id):
        return File.from_document(document)
    raise web.HTTPNotFound(text=NOT_THERE)


def headers_of(etag: str) -> dict[str, str]:
    """Return headers of what never changes, may be kept, and can do nothing."""
    return {
        "ETag": f'"{etag}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Security-Policy": FILE_POLICY,
    }


def is_copy(file: File, earlier: File) -> bool:
    """Return whether two files seem to be the same."""
    return file._replace(id=earlier.id, preview=earlier.preview) == earlier
