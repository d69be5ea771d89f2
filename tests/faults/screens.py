"""The cards as people see them, beside the rows that they stand for (I8)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

import sqlalchemy as sa

from prompts.texts import say, text
from storage import actions, incidents, messages, rooms
from storage.actions import Action
from storage.database import Transaction
from storage.incidents import Incident
from storage.lifecycle import OPEN
from storage.rooms import Room
from storage.tables import cards
from tests.acceptance.world import TELEGRAM_ROOM
from tests.faults.rooms import LANGUAGES
from tests.faults.stage import Stage

_NUMBER = re.compile(r"#(\d+) ")


@dataclass(frozen=True)
class Copy:
    """One message that shows a card."""

    message: str
    text: str
    buttons: int


@dataclass
class Found:
    """What a room shows of one subject."""

    problems: list[str] = field(default_factory=list)
    dead: int = 0
    """Further copies that are no longer the card: pressing them changes nothing."""


async def shown_everywhere(stage: Stage) -> list[Found]:
    """Every card of every room against its row."""
    found = []
    async with stage.db.read() as tx:
        placed = await tx.all(sa.select(cards.c.subject, cards.c.room_id, cards.c.message))
        by_room: dict[int, dict[str, list[Copy]]] = {}
        for row in placed:
            room = await rooms.by_id(tx, row.room_id)
            assert room is not None
            if room.id not in by_room:
                by_room[room.id] = await _screen(stage, tx, room)
            found.append(await _compare(tx, room, row, by_room[room.id]))
    return found


async def _compare(
    tx: Transaction,
    room: Room,
    row: sa.Row[tuple[str, int, str | None]],
    screen: dict[str, list[Copy]],
) -> Found:
    found = Found()
    kind, _, number = row.subject.partition(":")
    where = f"{room.platform}:{room.address} {row.subject}"
    live: Action | Incident | None
    if kind == "action":
        live = await actions.by_id(tx, int(number))
        title = f"#{number} "
    elif kind == "incident":
        live = await incidents.by_id(tx, int(number))
        title = live.key if live is not None else "?"
    else:
        return found
    copies = screen.get(title, [])
    ours = [copy for copy in copies if copy.message == row.message]
    if live is None or len(ours) != 1:
        found.problems.append(
            f"{where}: message {row.message} is not shown; {len(copies)} others are"
        )
        return found
    state = _state(live, room.language)
    if state not in ours[0].text:
        found.problems.append(f"{where}: shows {ours[0].text[:80]!r}, not {state!r}")
    if isinstance(live, Action) and bool(ours[0].buttons) is not (live.state in OPEN):
        found.problems.append(f"{where}: {ours[0].buttons} buttons at {live.state}")
    if len(copies) > 1 and room.platform != "telegram":
        found.problems.append(f"{where}: shown {len(copies)} times")
    elif len(copies) > 1:
        found.dead = len(copies) - 1
    return found


def _state(live: Action | Incident, language: str) -> str:
    if isinstance(live, Action):
        return say(text(f"state_{live.state.value}"), language)
    return say(text(f"incident_state_{live.state.value}"), language)


async def _screen(stage: Stage, tx: Transaction, room: Room) -> dict[str, list[Copy]]:
    """Title → the messages with it: "#17 " of an action, the key of an incident."""
    shown: list[tuple[str, Copy]] = []
    if room.platform == "slack":
        for m in stage.outside.slack.screen(room.address):
            if m.by_bot and m.title:
                shown.append((m.title, Copy(m.ts, m.text, len(m.buttons))))
    elif room.platform == "telegram":
        for t in stage.outside.telegram.cards(int(room.address)):
            first = t.text.partition("\n")[0]
            if len(t.entities) > 1:
                shown.append((first, Copy(str(t.id), t.text, len(t.buttons))))
    else:
        for message in await messages.since(tx, room.id, 0, 100_000):
            card = message.body.get("cards", {}).get(room.language)
            if card and card["title"]:
                words = messages.plain(card)
                shown.append((card["title"], Copy(message.key, words, len(card["buttons"]))))
    by_title: dict[str, list[Copy]] = defaultdict(list)
    for title, copy in shown:
        by_title[_name(title)].append(copy)
    return by_title


def _name(title: str) -> str:
    number = _NUMBER.search(title)
    if number:
        return f"#{number[1]} "
    key = re.search(r"INC-[0-9-]+", title)
    return key[0] if key else title


async def press_dead_copies(stage: Stage) -> list[int]:
    """Press a button of each Telegram copy that is not the card any more; gives whose they are."""
    telegram = stage.outside.telegram
    async with stage.db.read() as tx:
        known = {str(row.message) for row in await tx.all(sa.select(cards.c.message))}
    pressed = []
    for copy in telegram.cards(TELEGRAM_ROOM):
        number = _NUMBER.search(copy.text.partition("\n")[0])
        if number and copy.buttons and len(copy.entities) > 1 and str(copy.id) not in known:
            telegram.user(333, "ana").press(TELEGRAM_ROOM, copy.id, copy.buttons[0])
            pressed.append(int(number[1]))
    return pressed


def still_alive(stage: Stage, pressed: list[int]) -> list[str]:
    """Those of the pressed copies whose button did not answer that the copy is an old one."""
    heard = [alert.text for alert in stage.outside.telegram.alerts(333)]
    heard += [shown.text for shown in stage.outside.telegram.cards(TELEGRAM_ROOM)]
    old = {number: say(text("button_old_copy", id=number), LANGUAGES["ana"]) for number in pressed}
    return [
        f"telegram: a second copy of #{number} is not dead; heard {heard[-3:]}"
        for number, words in old.items()
        if not any(words in one for one in heard)
    ]
