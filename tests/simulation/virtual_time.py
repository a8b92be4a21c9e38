"""An event loop that never waits: its clock jumps to what comes next, so a run repeats exactly."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Program:
    """What runs as one process: everything that one of its tasks has started."""

    def __init__(self) -> None:
        self.is_stopped = self.is_killed = False
        self.held: list[_Step] = []  # what would have run if it were not stopped
        self._tasks: dict[asyncio.Task[Any], None] = {}  # no set, which has another order each time
        self._context = copy_context()
        self._context.run(RUNNING.set, self)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something as a part of this program."""
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def stop(self) -> None:
        """Let it stand still, as SIGSTOP does: what comes for it waits, also its timers."""
        self.is_stopped = True

    def go_on(self) -> None:
        """Let it go on, as SIGCONT does, with what has come meanwhile."""
        self.is_stopped = False
        held, self.held = self.held, []
        for step in held:
            asyncio.get_running_loop().call_soon(step, context=step.context)

    def kill(self) -> None:
        """End it in the middle of what it does, as SIGKILL does, also when it is stopped."""
        self.is_killed = True
        for task in self._tasks:
            task.cancel()
        self.go_on()


RUNNING: ContextVar[Program | None] = ContextVar("RUNNING", default=None)


class _Step:
    """A callback of a program."""

    handle: asyncio.Handle

    def __init__(
        self,
        program: Program,
        context: Context,
        callback: Callable[..., object],
        args: tuple[object, ...],
    ) -> None:
        self.program, self.context, self.callback, self.args = program, context, callback, args

    def __call__(self) -> None:
        if self.program.is_stopped:
            self.program.held.append(self)
        elif not self.handle.cancelled():
            self.callback(*self.args)


class _Clock(selectors.SelectSelector):
    """Nothing comes from outside, and a wait takes no time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing would ever happen again"
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; its time begins at 0."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the virtual time."""
        return self._clock.now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call something, once its program runs."""
        context = copy_context() if context is None else context
        program = context.get(RUNNING)
        if program is None or isinstance(callback, _Step):
            return super().call_soon(callback, *args, context=context)
        step = _Step(program, context, callback, args)
        step.handle = super().call_soon(step, context=context)
        return step.handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call something at a time, or when its program runs again."""
        context = copy_context() if context is None else context
        program = context.get(RUNNING)
        if program is None:
            return super().call_at(when, callback, *args, context=context)
        step = _Step(program, context, callback, args)
        step.handle = timer = super().call_at(when, step, context=context)
        return timer


def outside(seconds: float, callback: Callable[..., object], *args: object) -> None:
    """Call something after a while that belongs to no program."""
    asyncio.get_running_loop().call_later(seconds, callback, *args, context=Context())


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run something in virtual time, and cancel what is left of it at the end."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_alone(main))
    finally:
        loop.close()


async def _alone(main: Coroutine[Any, Any, T]) -> T:
    try:
        return await main
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
