"""Waiting that ends, whatever the other side does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def in_time(work: Coroutine[Any, Any, T], seconds: float, what: str) -> T:
    """What ``work`` gives. Raises TimeoutError after so many seconds, and what ``work`` raises.

    Unlike asyncio.timeout it does not wait for work that is slow to be cancelled either: a
    database that hangs lets go of nobody.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_ended)
    if not task.done():
        raise TimeoutError(f"{what}: no answer within {seconds:g} s")
    return task.result()


def _ended(task: asyncio.Future[Any]) -> None:
    """Nobody waits any more: how it ended is of no interest, but must be asked for."""
    if not task.cancelled():
        task.exception()
