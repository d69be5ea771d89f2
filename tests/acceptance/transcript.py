"""A conversation as a test: ``>>`` is what somebody does, ``<<`` is what must be seen.

    >> min: budget-was-01 재기동해줘          words to the bot, in the room under test
    >> min types /why 1                      a slash command
    >> min presses approve on #1             a button of the card (by its message key)
    >> min presses reject on #1: too risky   a button and the reason that is asked for
    >> 31 minutes pass
    << card #1 everywhere: PAY-WAS-01 | CRITICAL | state_PENDING_APPROVAL | [approve] [reject]
    << min hears decide_own id=1             a message by key, in that person's language
    << ledger: pay-was-01 systemctl restart -- tomcat     the whole ledger, one line a command
    << ledger is empty

A word that is a message key stands for its text in the room's language; ``[verb]`` for the button
``button_<verb>``; ``[]`` for no button at all.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from prompts.texts import catalogue, say, text


@dataclass(frozen=True)
class Seen:
    """A card as a person sees it now."""

    text: str
    buttons: tuple[str, ...]


class Seat(Protocol):
    """One room on one platform, as people use it."""

    name: str
    language: str

    async def says(self, person: str, words: str) -> None: ...
    async def types(self, person: str, command: str) -> None: ...
    async def presses(self, person: str, action: int, verb: str, reason: str | None) -> None: ...
    async def card(self, action: int) -> Seen | None: ...
    async def heard(self, person: str) -> list[str]: ...


class Stage(Protocol):
    """What a transcript plays on."""

    seats: dict[str, Seat]
    languages: dict[str, str]

    def ledger(self) -> list[str]: ...
    async def wait_minutes(self, minutes: int) -> None: ...


async def play(stage: Stage, room: str, script: str) -> None:
    """Play a transcript in one room; fails with the line and what was seen instead."""
    for number, raw in enumerate(script.strip().splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("--"):
            continue
        try:
            await _line(stage, stage.seats[room], line)
        except AssertionError as error:
            raise AssertionError(f"line {number}: {line}\n  {error}") from None


async def _line(stage: Stage, seat: Seat, line: str) -> None:
    for pattern, act in _ACTS:
        found = re.fullmatch(pattern, line)
        if found:
            await act(stage, seat, *found.groups())
            return
    raise AssertionError("not a line of a transcript")


async def _says(_: Stage, seat: Seat, person: str, words: str) -> None:
    await seat.says(person, words)


async def _types(_: Stage, seat: Seat, person: str, command: str) -> None:
    await seat.types(person, command)


async def _presses(
    _: Stage, seat: Seat, person: str, verb: str, action: str, reason: str | None
) -> None:
    await seat.presses(person, int(action), verb, reason)


async def _passes(stage: Stage, _: Seat, minutes: str) -> None:
    await stage.wait_minutes(int(minutes))


async def _card(stage: Stage, seat: Seat, action: str, where: str, wanted: str) -> None:
    seats = stage.seats.values() if where == " everywhere" else [seat]
    for one in seats:
        await _until(lambda one=one: _card_fits(one, int(action), wanted))  # type: ignore[misc]


async def _card_fits(seat: Seat, action: int, wanted: str) -> str:
    """What does not fit; "" when all does."""
    seen = await seat.card(action)
    if seen is None:
        return f"{seat.name}: no card #{action}"
    for piece in (p.strip() for p in wanted.split("|")):
        if piece.startswith("["):
            labels = [
                say(text(f"button_{v}"), seat.language) for v in re.findall(r"\[(\w+)\]", piece)
            ]
            if list(seen.buttons) != labels:
                return f"{seat.name}: buttons {seen.buttons}, not {labels}"
        else:
            words = say(text(piece), seat.language) if piece in catalogue() else piece
            if words not in seen.text:
                return f"{seat.name}: {words!r} is not in {seen.text!r}"
    return ""


async def _hears(stage: Stage, seat: Seat, person: str, key: str, values: str) -> None:
    given = {k: int(v) if v.isdigit() else v for k, v in re.findall(r"(\w+)=(\S+)", values or "")}
    words = say(text(key, **given), stage.languages[person])

    async def check() -> str:
        heard = await seat.heard(person)
        return (
            ""
            if any(words in one for one in heard)
            else f"{person} heard {heard[-3:]}, not {words!r}"
        )

    await _until(check)


async def _ledger(stage: Stage, _: Seat, wanted: str) -> None:
    async def check() -> str:
        found = [line for line in stage.ledger() if " show " not in line]
        return "" if found == [wanted.strip()] else f"the ledger has {found}"

    await _until(check)


async def _empty(stage: Stage, _: Seat) -> None:
    assert stage.ledger() == [], f"the ledger has {stage.ledger()}"


async def _until(check: Callable[[], Awaitable[str]], seconds: float = 10.0) -> None:
    """Look again until nothing is amiss; the last complaint is the failure."""
    deadline = time.monotonic() + seconds
    while True:
        complaint = await check()
        if not complaint:
            return
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.02)


_ACTS: tuple[tuple[str, Callable[..., Awaitable[None]]], ...] = (
    (r">> (\w+): (.+)", _says),
    (r">> (\w+) types (/.+)", _types),
    (r">> (\w+) presses (\w+) on #(\d+)(?:: (.+))?", _presses),
    (r">> (\d+) minutes pass", _passes),
    (r"<< card #(\d+)( everywhere)?: (.+)", _card),
    (r"<< (\w+) hears (\w+)((?: \w+=\S+)*)", _hears),
    (r"<< ledger: (.+)", _ledger),
    (r"<< ledger is empty", _empty),
)
