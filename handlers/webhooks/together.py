"""Writes of several callers in one transaction: a burst then costs few commits, not one each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from storage.database import Database, Transaction

Work = Callable[[Transaction], Awaitable[bool]]

_MOST = 50
"""Writes in one transaction; others wait for the next, and the worker has its turn between."""


@dataclass
class Together:
    """Each caller waits until its own write is committed, and hears how it ended."""

    db: Database
    _waiting: list[tuple[Work, asyncio.Future[bool]]] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def write(self, work: Work) -> bool:
        """What ``work`` gave, once it is committed.

        Raises what broke the transaction, its own work's or another's: then none is committed.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._commit(), name="kept together")
        return await done

    async def _commit(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                async with self.db.write(urgent=True) as tx:
                    results = [await work(tx) for work, _ in batch]
            # Every caller gets it and answers for itself.
            except Exception as error:  # noqa: BLE001
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for (_, done), result in zip(batch, results, strict=True):
                    if not done.done():  # a caller that went away
                        done.set_result(result)
