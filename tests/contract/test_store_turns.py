"""Who writes next: what somebody waits for goes before what nobody waits for."""

from __future__ import annotations

import asyncio

from storage.database import Database
from storage.turns import Turns


async def _in_turn(turns: Turns, name: str, done: list[str], *, urgent: bool = False) -> None:
    async with turns.take(urgent=urgent):
        done.append(name)
        await asyncio.sleep(0)


async def test_the_urgent_go_first_and_each_line_keeps_its_order() -> None:
    turns, done = Turns(1), []  # type: ignore[var-annotated]
    tasks = []
    async with turns.take():
        for name, urgent in (("a", False), ("b", True), ("c", False), ("d", True)):
            tasks.append(asyncio.create_task(_in_turn(turns, name, done, urgent=urgent)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert done == ["b", "d", "a", "c"]


async def test_so_many_at_a_time_and_no_more() -> None:
    turns, inside, most = Turns(3), 0, 0

    async def one() -> None:
        nonlocal inside, most
        async with turns.take():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(one() for _ in range(20)))
    assert (inside, most) == (0, 3)


async def test_whoever_gives_up_takes_no_turn_along() -> None:
    turns, done = Turns(1), []  # type: ignore[var-annotated]
    async with turns.take():
        gone = [asyncio.create_task(_in_turn(turns, "gone", done)) for _ in range(3)]
        last = asyncio.create_task(_in_turn(turns, "last", done))
        await asyncio.sleep(0)
        gone[1].cancel()
        await asyncio.sleep(0)
    # The turn was handed to the first at this moment; it never gets to use it.
    gone[0].cancel()
    await asyncio.gather(*gone, last, return_exceptions=True)
    assert done == ["gone", "last"]
    async with asyncio.timeout(5):
        await _in_turn(turns, "free again", done)


async def test_an_urgent_write_waits_for_one_transaction_not_for_all(any_db: Database) -> None:
    order: list[str] = []
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(number: int) -> None:
        async with any_db.write():
            begun.set()
            await go_on.wait()
            order.append(f"slow {number}")

    async def urgent() -> None:
        async with any_db.write(urgent=True):
            order.append("urgent")

    tasks = [asyncio.create_task(slow(number)) for number in range(40)]
    await begun.wait()
    waits = asyncio.create_task(urgent())
    if any_db.is_shared:
        # It has connections left, whatever the others do with theirs.
        async with asyncio.timeout(5):
            await waits
    else:
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*tasks, waits)
    assert order.index("urgent") <= 1
    assert len(order) == 41
