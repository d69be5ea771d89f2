"""Places that runs share: they go round, and none is lost."""

from __future__ import annotations

import asyncio

from engine.execution.turns import Turns


async def test_places_go_round_between_runs() -> None:
    turns = Turns(1)
    got: list[str] = []

    async def wait(run: str) -> None:
        async with turns.turn(run):
            got.append(run)

    await turns.take("first")
    waiting = [asyncio.create_task(wait(run)) for run in ("a", "a", "a", "b", "b", "c")]
    await asyncio.sleep(0)
    turns.give()
    await asyncio.gather(*waiting)
    assert got == ["a", "b", "c", "a", "b", "a"]


async def test_a_waiter_that_is_cancelled_takes_no_place_with_it() -> None:
    turns = Turns(1)
    await turns.take("first")
    gone, handed, last = (asyncio.create_task(turns.take(run)) for run in ("a", "b", "b"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    turns.give()
    handed.cancel()  # the place was handed to it, and it never knew
    await asyncio.gather(handed, return_exceptions=True)
    async with asyncio.timeout(1):
        await last
    turns.give()
    async with asyncio.timeout(1), turns.turn("c"):
        pass


async def test_a_place_does_not_go_to_who_was_cancelled_at_that_moment() -> None:
    """Both in one round of the loop, as when a look over several hosts runs out of time."""
    turns = Turns(1)
    await turns.take("first")
    gone, last = (asyncio.create_task(turns.take(run)) for run in ("a", "b"))
    await asyncio.sleep(0)
    gone.cancel()
    turns.give()
    async with asyncio.timeout(1):
        await last
    assert gone.cancelled()
    turns.give()
    async with asyncio.timeout(1), turns.turn("c"):
        pass
