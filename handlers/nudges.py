"""Trouble heard in ordinary talk becomes one message with a button for a read-only check.

Nothing runs before somebody presses, and what runs then is LOW by the policy in force, or refused.
The words are read by rules alone; they are kept nowhere but in the inbox row they came in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from engine.actions.names import action_name
from engine.errors import GiveUp, Why
from engine.nudges import MOST_OFFERED, NudgeRule
from handlers import replies
from handlers.access import person_of
from handlers.commands.call import Call
from handlers.inbound import Event
from handlers.replies import Choice, Reply
from handlers.services import Services
from prompts.texts import text
from storage import buttons, nudges, rooms
from storage.buttons import ButtonRow
from storage.database import Transaction
from storage.people import Role

_MINUTE = 60_000
_HEARD = 500
"""Characters of a message that are heard: reading is done on the event loop, and the asset that
somebody talks about stands near the beginning."""


@dataclass(frozen=True)
class Offer:
    """A check that may be offered, on one asset or on one of several."""

    rule: NudgeRule
    assets: tuple[str, ...]
    more: bool
    """There are more assets than can be offered."""


def hear(services: Services, said: str) -> Offer | None:
    """What could be offered for words said in a room; None for most of them. Asks no model."""
    said = said[:_HEARD]
    rule = services.nudges.find(said)
    if rule is None:
        return None
    found = _likely(services, rule, said)
    return Offer(rule, found[:MOST_OFFERED], len(found) > MOST_OFFERED) if found else None


def _likely(services: Services, rule: NudgeRule, said: str) -> tuple[str, ...]:
    """The assets that the words name; else those they may mean; else any that can be looked at."""
    rules, inventory = services.nudges, services.inventory
    reading = services.reader.by_rules(said, "STATUS")
    if reading.assets:
        found = rules.likely(rule, reading.assets)
        systems = {inventory.assets[code].system for code in reading.assets}
        beside = [a.code for a in inventory.assets.values() if a.system in systems]
        return found or rules.likely(rule, beside) or rules.everywhere(rule)
    offered = reading.question.choices if reading.question else ()
    meant = [code for choice in offered for code in choice.assets]
    return rules.likely(rule, meant) or rules.everywhere(rule)


async def overheard(tx: Transaction, services: Services, event: Event, offer: Offer) -> None:
    """Offer it in the room, if a listed person said it in a listed room and the time has come."""
    address = event.room
    room = await rooms.find(tx, address.platform, address.tenant, address.address)
    person = await person_of(tx, event)
    if room is None or not room.listed or person is None or person.role is Role.AGENT:
        return
    await make(tx, services, room.id, event, offer)


async def instead(call: Call) -> bool:
    """Offer a check where nothing was asked for. False: nothing to offer, or it was said to us."""
    if not call.event.open_talk:
        return False
    offer = hear(call.services, call.event.text)
    return offer is not None and await make(call.tx, call.services, call.room.id, call.event, offer)


async def make(
    tx: Transaction, services: Services, room_id: int, event: Event, offer: Offer
) -> bool:
    """Offer it. False: switched off in this room, or offered a short while ago."""
    rule, cooldown = offer.rule, services.nudges.settings.cooldown_minutes * _MINUTE
    if await nudges.is_off(tx, room_id, rule.name):
        return False
    if not await nudges.claim(tx, room_id, rule.name, cooldown):
        return False
    await replies.announce(tx, room_id, _message(offer), event.context)
    return True


def _message(offer: Offer) -> Reply:
    rule, check = offer.rule, action_name(offer.rule.action)
    one = len(offer.assets) == 1
    choices = tuple(
        Choice(
            text("nudges_button", check=check, asset=code) if one else code,
            "nudge",
            {"rule": rule.name, "asset": code},
            # With several buttons a program has to say which: by its token.
            code=rule.command_code if one else "",
        )
        for code in offer.assets
    )
    key = "nudges_offer_one" if one else "nudges_offer_which"
    return Reply(
        text=text(key, check=check, asset=offer.assets[0], more=offer.more, action=rule.action),
        note=text("nudges_note", rule=rule.name),
        choices=choices,
    )


async def _look(call: Call, button: ButtonRow) -> None:
    """Propose the check that was offered. Raises GiveUp when it no longer only looks."""
    offered, asset = str(button.payload["rule"]), str(button.payload["asset"])
    rule = call.services.nudges.named(offered)
    if rule is None or asset not in call.services.inventory.assets:
        raise GiveUp(Why.CONFLICT, text("nudges_gone", rule=offered, asset=asset))
    if not call.services.nudges.can_look(rule, asset):
        raise GiveUp(Why.FORBIDDEN, text("nudges_not_low", rule=rule.name, action=rule.action))
    if not await buttons.use(call.tx, button.id):
        raise GiveUp(Why.CONFLICT, text("button_used"))
    action = await call.services.proposals.propose(
        call.tx,
        call.person,
        rule.action,
        [asset],
        {},
        room_id=call.room.id,
        origin=call.origin,
    )
    await call.whisper(text("proposed", id=action.id))


VERBS: Mapping[str, Callable[[Call, ButtonRow], Awaitable[None]]] = {"nudge": _look}
