"""Where a kept delivery goes: command, words or button. The one boundary where errors end.

All effects of an event, its answers, and the inbox row's end are one transaction.  So an event is
handled once: a crash before the commit leaves it waiting, a crash after it leaves it done.
"""

from __future__ import annotations

import logging

from engine.errors import GiveUp, RetryLater, Why
from engine.language.contract import Reading
from engine.requests.words import quoted
from handlers import buttons, replies, words
from handlers.access import Standing, person_of, standing
from handlers.card import Tone
from handlers.commands import registry
from handlers.commands.arguments import head
from handlers.commands.call import Call, Command
from handlers.inbound import Event, EventKind
from handlers.replies import Reply
from handlers.services import Services
from prompts.texts import Text, text
from storage import inbox, outbox, rooms
from storage.database import Transaction
from storage.inbox import Delivery

log = logging.getLogger(__name__)

MAX_TEXT = 4000
"""Characters of a message that are read; a longer one is refused whole, not cut."""

MAX_ATTEMPTS = 3

_ADDRESSED = (EventKind.COMMAND, EventKind.WORDS, EventKind.BUTTON, EventKind.FORM)
#: Verbs that take no arguments: with more words behind them they are ordinary words.
_BARE = frozenset({"status", "pending", "whoami", "help", "unfreeze"})
#: Verbs whose first argument is an action's number.
_NUMBERED = frozenset({"approve", "reject", "why"})


class Router:
    """Handles one delivery at a time; many may run side by side."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def handle(self, delivery: Delivery, event: Event | None) -> None:
        """Handle a delivery to its end, whatever it holds."""
        try:
            await self._handle(delivery, event)
        except GiveUp as refusal:
            assert event is not None
            await self._refuse(delivery, event, refusal)
        except RetryLater as later:
            async with self._services.db.write() as tx:
                await inbox.postpone(tx, delivery.id, str(later), int(later.delay * 1000))
        # The boundary: a bug met by one event must not stop the others.
        except Exception as error:
            log.exception("inbox %s could not be handled", delivery.id)
            await self._stumble(delivery, event, error)

    async def _handle(self, delivery: Delivery, event: Event | None) -> None:
        if event is None or event.kind is EventKind.OVERHEARD:
            async with self._services.db.write() as tx:
                await inbox.done(tx, delivery.id)
            return
        reading = await self._read(event)
        async with self._services.db.write() as tx:
            if not await inbox.done(tx, delivery.id):
                return
            if event.kind is EventKind.MOVED:
                await _move_room(tx, event)
                return
            where = await standing(tx, event)
            if not where.welcome:
                await _turn_away(tx, event, where)
                return
            assert where.person is not None
            call = Call(
                tx, self._services, where.person, where.room, event, f"inbox:{delivery.id}", ""
            )
            await _dispatch(call, reading)

    async def _read(self, event: Event) -> Reading | None:
        """Ask the reader, outside any transaction: a model may take its time."""
        if event.kind is not EventKind.WORDS or as_command(event.text) is not None:
            return None
        async with self._services.db.read() as tx:
            stranger = await person_of(tx, event) is None
        if stranger or len(event.text) > MAX_TEXT:
            return None
        return await self._services.reader.read(event.text)

    async def _refuse(self, delivery: Delivery, event: Event, refusal: GiveUp) -> None:
        """The transaction was rolled back: only the answer and the end of the delivery remain."""
        async with self._services.db.write() as tx:
            if not await inbox.done(tx, delivery.id):
                return
            where = await standing(tx, event)
            if where.person is not None:
                reply = Reply(text=refusal.text, tone=Tone.WARNING)
                await replies.whisper(tx, where.room.id, where.person, event, reply)
        if refusal.why is Why.CONFLICT:
            self._services.db.announce({"watch"})

    async def _stumble(self, delivery: Delivery, event: Event | None, error: Exception) -> None:
        what = f"{type(error).__name__}: {error}"[:500]
        async with self._services.db.write() as tx:
            if delivery.attempts + 1 < MAX_ATTEMPTS:
                await inbox.postpone(tx, delivery.id, what, 2000 << delivery.attempts)
                return
            await inbox.fail(tx, delivery.id, what)
            if event is None or event.kind not in _ADDRESSED:
                return
            where = await standing(tx, event)
            if where.welcome and where.person is not None:
                reply = Reply(text=text("stumbled", id=delivery.id), tone=Tone.BAD)
                await replies.whisper(tx, where.room.id, where.person, event, reply)


async def _dispatch(call: Call, reading: Reading | None) -> None:
    event = call.event
    if event.kind in (EventKind.BUTTON, EventKind.FORM):
        await buttons.press(call)
        return
    if len(event.text) > MAX_TEXT:
        raise GiveUp(Why.INVALID, text("too_long", length=len(event.text), limit=MAX_TEXT))
    if event.kind is EventKind.COMMAND:
        await _command(call, event.text.removeprefix("/"))
        return
    line = as_command(event.text)
    if line is not None:
        await _command(call, line)
    elif reading is not None:
        await words.respond(call, reading)


async def _command(call: Call, line: str) -> None:
    name, arguments = head(line)
    if name.lower() == registry.UMBRELLA:
        name, arguments = head(arguments or "help")
        name = name.removeprefix("/")
    name = registry.WORDS.get(name, name.lower())
    command = registry.commands().get(name)
    if command is None:
        raise GiveUp(Why.INVALID, text("command_unknown", given=quoted(name)))
    _may_call(call, command)
    await command.run(
        Call(
            call.tx,
            call.services,
            call.person,
            call.room,
            call.event,
            call.origin,
            arguments,
        )
    )


def _may_call(call: Call, command: Command) -> None:
    if call.person.role < command.least:
        needed = text(f"role_{command.least.name}")
        raise GiveUp(Why.FORBIDDEN, text("command_role", usage=command.usage, least=needed))


def as_command(said: str) -> str | None:
    """The command line that ordinary words stand for ("approve 17 fine"), or None."""
    said = said.strip()
    if said.startswith("/"):
        return said[1:]
    first, rest = (said, "") if said in registry.WORDS else head(said)
    name = registry.WORDS.get(first, first.lower())
    if name not in registry.commands():
        return None
    if name in _BARE:
        return name if not rest else None
    if name in _NUMBERED:
        return f"{name} {rest}" if rest.lstrip("#")[:1].isdigit() else None
    return f"{name} {rest}".strip()


async def _turn_away(tx: Transaction, event: Event, where: Standing) -> None:
    """Deny by default. A stranger in a strange room hears nothing; others hear what to do."""
    if event.kind not in _ADDRESSED:
        return
    if where.person is not None:
        reply = Reply(text=text("room_unlisted", room=str(event.room)), tone=Tone.WARNING)
        await replies.whisper(tx, where.room.id, where.person, event, reply)
    elif where.room.listed or event.direct:
        words_for_stranger: Text = text("stranger", account=_account(event))
        body = {
            "text": words_for_stranger.to_json(),
            "user": event.speaker.user,
            "language": where.room.language,
            "context": dict(event.context),
        }
        await outbox.whisper(tx, where.room.id, body)


def _account(event: Event) -> str:
    tenant = f"{event.speaker.tenant}/" if event.speaker.tenant else ""
    return f"{event.speaker.platform}:{tenant}{event.speaker.user}"


async def _move_room(tx: Transaction, event: Event) -> None:
    address = event.room
    room = await rooms.find(tx, address.platform, address.tenant, address.address)
    if room is not None:
        await rooms.move(tx, room.id, event.text)
