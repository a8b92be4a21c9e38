"""The parts of this package: what app.py makes of it, and runs."""

from aiohttp import web

from files.pictures import PICTURES, Pictures
from files.store import CHUNK_READS, CHUNK_READS_ELSEWHERE, FILES, Files
from files.usage import USAGE, Usage
from security.limits import Limit, Turns
from server.metrics import METRICS
from server.relay import RELAY
from settings import SETTINGS
from storage.database import DATABASE, READY

UPLOADS_AT_ONCE, UPLOADS_WAITING = 20, 80  # of all people; each takes memory and disk
PER_HOUR = 50  # files that a person may send
READS_AT_ONCE = 20  # files that a person may read; a browser asks for six
AN_HOUR = 3600  # seconds

UPLOADS = web.AppKey("uploads", Turns)  # of all
SENT_FILES = web.AppKey("sent_files", Limit)  # by person
READS = web.AppKey("reads", Turns)  # by person


def add_files(app: web.Application) -> None:
    """Create what takes, decodes, keeps and serves files."""
    settings, relay = app[SETTINGS], app[RELAY]
    app[UPLOADS] = Turns(UPLOADS_AT_ONCE, UPLOADS_WAITING)
    app[SENT_FILES] = Limit(PER_HOUR, AN_HOUR)
    app[READS] = Turns(READS_AT_ONCE, waiting=0)
    app[PICTURES] = Pictures()
    app[USAGE] = usage = Usage(settings.FILES_PER_USER, settings.FILES_IN_ALL, relay)
    reads_at_once = CHUNK_READS_ELSEWHERE if settings.MONGO_HOST else CHUNK_READS
    app[FILES] = Files(app[DATABASE], relay, usage, reads_at_once)
    app[METRICS].files.set_function(lambda: usage.files.total())
    app[METRICS].files_bytes.set_function(lambda: usage.sizes.total())


async def remove_files(app: web.Application) -> None:
    """Remove the files that no message has any more, for ever, once the database is ready."""
    await app[READY].wait()
    await app[FILES].run()
