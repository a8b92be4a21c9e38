"""Garbage collection at moments when nobody waits.

A full collection looks at every object, and nobody is served meanwhile: 90 ms with a thousand
sockets open. Python begins one when many objects have been added, which is while people join. Here
collections leave out what the start has made, and look at the rest when there is little to do. They
can wait: what ends with a request is found by Python's own short collections, and closed sockets
are freed without any (see Client.finish).
"""

import asyncio
import gc
import time

NEVER = 1_000_000  # shorter collections until Python begins a full one; ours come long before
LOOK_EVERY = 1  # seconds
IDLE = 0.1  # of a core in that time
# Thousands of objects that have been added since the last full collection; each is 100 bytes or so.
DUE = 140
OVERDUE = 500  # then at once, however much there is to do


async def collect_when_idle() -> None:
    """Turn Python's own full collections off, and collect when it is due, for ever."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
    used = time.process_time()
    while True:
        await asyncio.sleep(LOOK_EVERY)
        before, used = used, time.process_time()
        # How many times `middle` times `young` objects have been added.
        added = gc.get_count()[2] * middle * young // 1000
        if added >= OVERDUE or (added >= DUE and used - before < IDLE * LOOK_EVERY):
            gc.collect()
