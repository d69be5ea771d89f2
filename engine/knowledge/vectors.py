"""Vectors of articles in memory, and which articles are nearest to one."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
"""One text; its length is 1."""

MOST_BYTES = 128 * 1024 * 1024
"""Memory that vectors may take: 87,000 of 384 numbers, 32,000 of 1,024."""
_AT_ONCE = 4_096
"""Vectors moved in one step: what overlaps is copied first."""


class Vectors:
    """Vectors of ``size`` numbers, several an article. Used by one thread at a time."""

    def __init__(self, size: int, most_bytes: int = MOST_BYTES) -> None:
        self.size = size
        self._most = most_bytes // (4 * size)
        # The whole room at once: the system gives memory only to what is written to.
        self._rows = np.empty((self._most, size), np.float32)
        self._owners = np.zeros(self._most, np.int64)
        self._count = 0
        self._keys: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return self._count

    @property
    def room(self) -> int:
        """How many vectors more there is room for."""
        return self._most - self._count

    def put(self, key: str, vectors: list[Vector]) -> bool:
        """Take in an article's vectors in place of those it had; False when there is no room."""
        self.drop(key)
        if not vectors:
            return True
        end = self._count + len(vectors)
        if end > self._most:
            return False
        self._rows[self._count : end] = vectors
        self._owners[self._count : end] = self._next
        self._count = end
        self._keys[self._next], self._numbers[key] = key, self._next
        self._next += 1
        return True

    def drop(self, key: str) -> None:
        """Leave an article out."""
        number = self._numbers.pop(key, None)
        if number is None:
            return
        del self._keys[number]
        # An article's vectors stand together; those behind it move up.
        mine = np.flatnonzero(self._owners[: self._count] == number)
        start, end = int(mine[0]), int(mine[-1]) + 1
        for at in range(end, self._count, _AT_ONCE):
            stop = min(at + _AT_ONCE, self._count)
            here = slice(start, start + stop - at)
            self._rows[here], self._owners[here] = self._rows[at:stop], self._owners[at:stop]
            start = here.stop
        self._count = start

    def nearest(self, vector: Vector, most: int) -> list[str]:
        """The articles nearest by cosine, each by its nearest vector, the best first.

        What points away from the vector is none.
        """
        if vector.shape != (self.size,) or not self._count:
            return []
        near = self._rows[: self._count] @ vector
        owners = self._owners[: self._count]
        # The vectors of an article are neighbours, so each begins where its number is new.
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        best = np.maximum.reduceat(near, starts)
        order = np.argsort(-best, kind="stable")[:most]
        return [self._keys[int(owners[starts[at]])] for at in order if best[at] > 0]
