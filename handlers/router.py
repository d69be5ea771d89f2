"""Where a kept delivery goes: command, words or button. The one boundary where errors end.

All effects of an event, its answers, and the inbox row's end are one transaction.  So an event is
handled once: a crash before the commit leaves it waiting, a crash after it leaves it done.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from engine.approvals.second_factor import WrongCode
from engine.errors import GiveUp, RetryLater, Why
from engine.knowledge.library import Asked as Found
from engine.language.classify import Suggestion
from engine.language.contract import Reading
from engine.requests.words import quoted
from handlers import buttons, nudges, replies, words
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
from storage.database import Away, Transaction
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


@dataclass(frozen=True)
class Asked:
    """What the models said of an event, before its transaction opened."""

    reading: Reading | None = None
    """What its words mean; None for commands, buttons and strangers."""
    suggestion: Suggestion | None = None
    """Type and priority of the service request that it opens; None when it opens none."""
    found: Found | None = None
    """What the library found for a command that searches it."""


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
        except Away:
            # No fault of this delivery, and no try of it: it waits until the database is back.
            raise
        # The boundary: a bug met by one event must not stop the others.
        except Exception as error:
            log.exception("inbox %s could not be handled", delivery.id)
            await self._stumble(delivery, event, error)

    async def _handle(self, delivery: Delivery, event: Event | None) -> None:
        if event is None or event.kind is EventKind.OVERHEARD:
            # The words are read before the transaction opens, by rules alone.
            offer = self._hear(event)
            async with self._services.db.write() as tx:
                if await inbox.done(tx, delivery.id) and event is not None and offer is not None:
                    await nudges.overheard(tx, self._services, event, offer)
            return
        asked = await self._ask(event)
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
                tx,
                self._services,
                where.person,
                where.room,
                event,
                f"inbox:{delivery.id}",
                "",
                asked.suggestion,
                asked.found,
            )
            try:
                await _dispatch(call, asked.reading)
            except WrongCode as wrong:
                # Not rolled back: the failed try has to count.
                await call.whisper(Reply(text=wrong.text, tone=Tone.WARNING))

    def _hear(self, event: Event | None) -> nudges.Offer | None:
        """The check to offer for what was said, not to us; commands are none of it."""
        if event is None or len(event.text) > MAX_TEXT or as_command(event.text) is not None:
            return None
        return nudges.hear(self._services, event.text)

    async def _ask(self, event: Event) -> Asked:
        """Ask the reader and the library, outside any transaction: they may take their time."""
        line = _command_line(event)
        opened, question = (None, "") if line is None else _wanted(line)
        has_words = line is None and event.kind is EventKind.WORDS
        if not (has_words or opened or question) or len(event.text) > MAX_TEXT:
            return Asked()
        async with self._services.db.read() as tx:
            stranger = await person_of(tx, event) is None
        if stranger:
            return Asked()
        if question:
            return Asked(found=await self._services.knowledge.library.ask(question))
        reader = self._services.reader
        reading = await reader.read(event.text) if has_words else None
        if reading is not None:
            opened = words.opens(event.text, reading)
        return Asked(reading, await reader.suggest(*opened) if opened else None)

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
    line = _command_line(event)
    if line is not None:
        await _command(call, line)
    elif reading is not None:
        await words.respond(call, reading)


def _command_line(event: Event) -> str | None:
    """The command line of an event, without the slash; None where it is none."""
    if event.kind is EventKind.COMMAND:
        return event.text.removeprefix("/")
    return as_command(event.text) if event.kind is EventKind.WORDS else None


async def _command(call: Call, line: str) -> None:
    name, arguments = _named(line)
    command = registry.commands().get(name)
    if command is None:
        raise GiveUp(Why.INVALID, text("command_unknown", given=quoted(name)))
    _may_call(call, command)
    await command.run(replace(call, arguments=arguments))


def _named(line: str) -> tuple[str, str]:
    """The name of a line's command and the arguments."""
    name, arguments = head(line)
    if name.lower() == registry.UMBRELLA:
        name, arguments = head(arguments or "help")
        name = name.removeprefix("/")
    return registry.WORDS.get(name, name.lower()), arguments


def _wanted(line: str) -> tuple[tuple[str, str] | None, str]:
    """The title and body of the service request that a command line would open, and what it
    would ask the library."""
    name, arguments = _named(line)
    command = registry.commands().get(name)
    return (command.opens(arguments), command.searches(arguments)) if command else (None, "")


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
    command = registry.commands().get(name)
    if command is None or not command.meant(rest):
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
