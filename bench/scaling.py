"""One room, on paper: how busy each part is with so many people, and which part breaks first.

    python -m bench.scaling         the table of docs/scaling.md
    python -m bench.costs           the costs below, measured again
    python -m bench.costs --check   what is computed here beside a real room in 4 processes

The model is a closed form: of everything that a part does it counts how often it does so in a
second, and multiplies that with what it costs once. A part whose sum is above 1 is overloaded.
"""

from dataclasses import dataclass
from math import exp

from auth.sessions import NOTICE_EVERY
from chat.hub import FLUSH_PAUSE
from chat.journal import BATCH_DELAY, ENTRIES_PER_INSERT
from chat.presence import NOTICES_PER_SECOND, SHARE_EVERY, SHARE_PAUSE
from storage.redis_relay import BEAT_EVERY

SILENCE = 600  # seconds between the messages of a person
STAY = 1200  # seconds until a person leaves and another comes
REPORT_EVERY = 10  # seconds between read marks of a page (static/js/log/read_mark.js)
PEOPLE_PER_PROCESS = 2500
FRAME = 189  # bytes of a message of 64 letters as each reader gets it
RELAYED = 920  # bytes of it in Redis, handed over and stored; these and the next are encrypted
PERSON = 52  # bytes of a person in a list
NETWORK = 1.25e9  # bytes a second; an assumption: 10 Gbit/s

# Seconds of one core, on two cores of an AMD EPYC, with the embedded database.
COSTS = {
    "network": 1 / NETWORK,
    "process": 4.2e-3,  # a process that nobody uses
    "socket": 1.3e-5,  # pings, and whether its session is still valid
    "upgrade": 1.2e-3,
    "write": 7e-6,  # to one socket, however many messages
    "delivery": 2e-8,  # each message in a write
    "frame": 1.25e-4,  # reading and checking it
    "insert": 1.2e-3,
    "message": 6.3e-5,  # in an insert, and encoding it
    "publishing": 8e-4,
    "publication": 2.3e-4,  # hearing it
    "document": 2.9e-5,  # in a publication
    "told": 2.4e-7,  # a person in the list of a process that is published
    "listed": 6.6e-7,  # a person in such a list that is heard
    "scanned": 3.2e-8,  # a person in the list of all, looked at for each list that is heard
    "read mark": 2e-5,
    "redis: publication": 3e-5,
    "redis: copy": 7.8e-6,
    "redis: byte": 3.3e-10,
    "database: insert": 8.6e-4,
    "database: document": 3.4e-4,
    "database: session": 6e-5,
    "database: read mark": 2e-4,
}

OTHER = "each other process"
OF_WHICH = {
    "writing to readers": {"write", "delivery"},
    "the relay": {"publishing", "publication", "document"},
    "lists of who is here": {"told", "listed", "scanned"},
}


@dataclass
class Room:
    """People who are spread evenly over processes, and what they do."""

    people: int
    processes: int
    per_second: float  # messages
    stay: float = float("inf")  # seconds until a person leaves and another comes
    reads: bool = False  # whether their pages report how far they have read

    @property
    def readers(self) -> float:
        """Sockets of one process."""
        return self.people / self.processes


Load = dict[str, float]  # how busy each part is; 1 is all it has


def load_of(room: Room, costs: dict[str, float]) -> Load:
    """Return how busy each part is."""
    return {
        part: sum(costs[name] * times for name, times in done.items())
        for part, done in counts(room, costs).items()
    }


def counts(room: Room, costs: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return what each part does in a second: the writer, each other process, and so on."""
    count, readers, rate = room.processes, room.readers, room.per_second
    own = rate / count  # messages of the people in one process
    handed_over = rate - own
    marks = room.people / REPORT_EVERY if room.reads else 0

    # Whatever gathers while somebody is busy goes out together: n things a second, of which each
    # begins a time in which further ones only wait, come in n / (1 + n * time) groups.
    insert_time = BATCH_DELAY + costs["insert"] + costs["database: insert"]
    each = min(rate * costs["database: document"], 1 - 1 / ENTRIES_PER_INSERT)
    inserts = rate * (1 - each) / (1 + rate * insert_time)
    drafts = own / (1 + own * BATCH_DELAY) * (count - 1)  # publications of all processes

    comes_and_goes = 2 * room.people / room.stay
    notices = min(comes_and_goes, NOTICES_PER_SECOND + 1)
    events = inserts + notices
    pause = 1 + FLUSH_PAUSE
    copying = pause * readers * costs["delivery"] * rate
    flushes = events * max(0, 1 - copying) / (1 + pause * readers * costs["write"] * events)

    moved = comes_and_goes / count  # people in one process
    wait = (1 - exp(-moved * SHARE_EVERY)) / moved if moved else SHARE_EVERY
    lists = 1 / (SHARE_PAUSE + wait)  # of one process
    relayed = lists * room.people * PERSON + rate * RELAYED  # bytes that each process hears
    publications = inserts + drafts + count * (1 / BEAT_EVERY + lists)

    process = {
        "process": 1,
        "socket": readers,
        "upgrade": readers / room.stay,
        "write": flushes * readers,
        "delivery": rate * readers,
        "frame": own + marks / count,
        "read mark": marks / count,
        "publication": publications,
        "told": lists * readers,
        "listed": lists * room.people,
        "scanned": lists * (count - 1) * room.people,
    }
    return {
        "the writer": process
        | {"insert": inserts, "message": rate, "publishing": inserts, "document": handed_over},
        OTHER: process | {"publishing": drafts / max(1, count - 1), "document": handed_over + rate},
        "network of a process": {"network": rate * readers * FRAME},
        "Redis": {
            "redis: publication": publications,
            "redis: copy": publications * count,
            "redis: byte": relayed * count,
        },
        "network of Redis": {"network": relayed * count},
        "the database": {
            "database: insert": inserts,
            "database: document": rate,
            "database: session": room.people / NOTICE_EVERY,
            "database: read mark": marks,
        },
    }


def room_of(people: int) -> Room:
    """Return a room of so many people, each of whom reads and now and then says something."""
    return Room(people, -(-people // PEOPLE_PER_PROCESS), people / SILENCE, STAY, reads=True)


def breaks_at(part: str) -> int:
    """Return with how many people a part is overloaded."""
    low, high = 1, 10**9
    while high - low > low // 1000:
        middle = (low + high) // 2
        is_overloaded = load_of(room_of(middle), COSTS)[part] > 1
        low, high = (low, middle) if is_overloaded else (middle, high)
    return high


def table() -> list[str]:
    """Return the lines of the table."""
    rooms = [room_of(people) for people in (10_000, 100_000, 1_000_000)]
    loads = [load_of(room, COSTS) for room in rooms]
    lines = [
        "| | " + " | ".join(f"{room.people:,} people" for room in rooms) + " | overloaded from |",
        "|---|---|---|---|---|",
        f"| processes | {' | '.join(f'{room.processes:,}' for room in rooms)} | |",
        f"| messages a second | {' | '.join(f'{room.per_second:,.0f}' for room in rooms)} | |",
    ]
    for part in loads[0]:
        cells = " | ".join(f"{load[part]:,.2f}" for load in loads)
        lines.append(f"| {part} | {cells} | {round(breaks_at(part), -3):,} people |")
    done = [counts(room, COSTS)[OTHER] for room in rooms]
    for name, names in OF_WHICH.items():
        busy = [sum(COSTS[each] * times.get(each, 0) for each in names) for times in done]
        lines.append(f"| of {OTHER}: {name} | {' | '.join(f'{b:,.2f}' for b in busy)} | |")
    return lines


if __name__ == "__main__":
    print("\n".join(table()))
