"""Many people with accounts and sessions, without as many passwords to hash."""

import json
import time
from datetime import UTC, datetime

from bson import ObjectId

from auth.logins import look
from auth.session_storage import SessionCookie
from auth.sessions import LIFETIME
from settings import SESSION_COLLECTION, USER_COLLECTION
from storage.database import MotorDatabase


async def sign_in_guests(
    database: MotorDatabase, key: str, count: int, first: int = 0
) -> list[str]:
    """Store so many accounts and sessions, and return their cookies.

    `key` is the SECRET_KEY, `first` the number of the first guest.
    """
    storage = SessionCookie([key], secure=False)
    now = datetime.now(UTC)
    users, sessions, cookies = [], [], []
    for number in range(first, first + count):
        id_, login, session = ObjectId(), f"guest{number}", f"session{number}"
        names = {"login": login, "login_key": login, "look": look(login)}
        users.append({"_id": id_, **names, "email_key": f"{number}@x"})
        sessions.append(
            {"_id": session, "user_id": str(id_), "login": login, "created": now,
             "seen": int(time.time()), "agent": "", "expires": now + LIFETIME}
        )  # fmt: skip
        data = {"created": int(time.time()), "session": {"user": str(id_), "id": session}}
        cookies.append(storage._fernets.encrypt(json.dumps(data).encode()).decode())
    for collection, documents in ((USER_COLLECTION, users), (SESSION_COLLECTION, sessions)):
        for start in range(0, count, 200):
            await database[collection].insert_many(documents[start : start + 200])
    return cookies
