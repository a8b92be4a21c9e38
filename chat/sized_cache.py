"""A cache that is limited by how many bytes its values have: messages may be long or short."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

OVERHEAD = 1000  # bytes of the objects around a short value

K = TypeVar("K")
V = TypeVar("V")


class SizedCache(Generic[K, V]):
    """Keeps the values that were asked for last, as many as have room."""

    def __init__(self, make: Callable[[K], V], size_of: Callable[[V], int], room: int) -> None:
        """Set up; `make` returns the value of a key, `size_of` how many bytes a value has."""
        self._make = make
        self._size_of = size_of
        self._room = room
        self._values: OrderedDict[K, V] = OrderedDict()  # the one that was asked for last is last
        self.size = 0  # bytes of all values, with their overhead

    def get(self, key: K) -> V:
        """Return the value of a key, made now if it is not here."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
            return value
        value = self._values[key] = self._make(key)
        self.size += self._size_of(value) + OVERHEAD
        while self.size > self._room:
            _, former = self._values.popitem(last=False)
            self.size -= self._size_of(former) + OVERHEAD
        return value
