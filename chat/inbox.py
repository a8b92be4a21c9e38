"""The inbox: does what the frames of every socket ask for, and answers those it can't take."""

from aiohttp import web

from auth.moderators import is_moderator
from auth.sessions import Identity
from chat import wire
from chat.entry import Change, Entry
from chat.hub import HUB
from chat.incoming import BadFrame, Incoming, read_chat_v1, read_classic
from chat.journal import JOURNAL, Unavailable
from chat.member import Member
from chat.models import Message, Unchangeable
from chat.unread import READ_MARKS
from database import DB, DatabaseUnavailable
from limits import Limit, Pace
from settings import SETTINGS

BURST = 4  # seconds' worth of messages that somebody may send at once
TYPING_EVERY = 3  # seconds between notices that somebody is writing
TYPING_ROOM = 200  # people; in a larger room such notices would cost more than the talk

UNAVAILABLE = "The message could not be saved; sending it again is harmless"
TOO_FAST = "Too fast, please wait a moment"
UNCHANGEABLE = "This message can't be changed any more"


class Inbox:
    """What people may do by their sockets, and how often."""

    def __init__(self, app: web.Application) -> None:
        rate = app[SETTINGS].MESSAGES_PER_SECOND
        self.messages = Pace(rate, BURST * rate)  # by person, the forms' too
        self.refusals = Limit(50, 10)  # by session
        self._typing = Pace(1 / TYPING_EVERY, 1)
        self._app = app

    async def take(self, member: Member, data: str) -> bool:
        """Do what a frame asks for, and tell whether it was welcome; answer what can't be taken."""
        hub, memory, user = self._app[HUB], self._app[JOURNAL].memory, member.identity
        nonce = None
        try:
            incoming = read_classic(data) if member.is_classic else read_chat_v1(data)
            nonce = incoming.nonce
            if incoming.type == "typing":
                return self._tell_of_typing(user)
            if incoming.type == "read":
                return self._app[READ_MARKS].mark(user.user_id, min(incoming.seq, memory.last))
            if self.messages.take(user.user_id):
                raise BadFrame("too_fast", TOO_FAST, nonce)
            delivered = memory.last
            member.is_busy = True
            entry = await self._save(user, incoming)
        except BadFrame as bad:
            hub.send(member, wire.error(bad))
            return False
        except Unchangeable:
            hub.send(member, wire.error(BadFrame("forbidden", UNCHANGEABLE, nonce)))
            return False
        except (Unavailable, DatabaseUnavailable):
            hub.send(member, wire.error(BadFrame("unavailable", UNAVAILABLE, nonce)))
            return False
        finally:
            member.is_busy = False
        is_repeat = entry.seq <= delivered
        if is_repeat:  # the room has seen it, so only its sender is answered
            hub.send(member, wire.entry(entry))
        return True

    async def _save(self, user: Identity, incoming: Incoming) -> Entry | Change:
        messages = Message(self._app[DB], self._app[JOURNAL])
        if incoming.type == "edit":
            return await messages.edit(user, incoming.seq, incoming.msg, incoming.nonce)
        if incoming.type == "delete":
            may_any = is_moderator(self._app, user.login)
            return await messages.delete(user, incoming.seq, incoming.nonce, may_any)
        return await messages.save(user, incoming.msg, incoming.nonce)

    def _tell_of_typing(self, user: Identity) -> bool:
        hub = self._app[HUB]
        if self._typing.take(user.user_id):
            return False
        if hub.presence.people <= TYPING_ROOM:
            hub.broadcast(wire.typing(user.login))
        return True


INBOX = web.AppKey("inbox", Inbox)
