"""A command as it is called: who, where, with which words, in which transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.knowledge.library import Asked as Found
from engine.language.classify import Suggestion
from handlers import replies
from handlers.inbound import Event
from handlers.replies import Reply
from handlers.services import Services
from prompts.texts import Text
from storage.database import Transaction
from storage.people import Person, Role
from storage.rooms import Room


@dataclass(frozen=True)
class Call:
    """One call of a command. Everything it writes is in ``tx``, together with the inbox row."""

    tx: Transaction
    services: Services
    person: Person
    room: Room
    event: Event
    origin: str
    """``inbox:ID``: what is made from this call carries it, so that it is made once."""
    arguments: str
    """The words after the command's name, stripped."""
    suggestion: Suggestion | None = None
    """What the model said of the request that the call opens, asked before ``tx`` was opened."""
    found: Found | None = None
    """What the library found for the call, searched before ``tx`` was opened; None = it is not
    ready, or the call searches for nothing."""

    async def whisper(self, reply: Reply | Text) -> None:
        """Answer the caller alone."""
        await replies.whisper(self.tx, self.room.id, self.person, self.event, _reply(reply))

    async def answer(self, reply: Reply | Text) -> None:
        """Answer the caller where the room sees it."""
        await replies.answer(self.tx, self.room.id, self.person, self.event, _reply(reply))


@dataclass(frozen=True)
class Command:
    """A slash command. ``run`` raises GiveUp to refuse; the router says the text to the caller."""

    name: str  #: without the slash
    summary: str  #: message key: one line for /help and Telegram's menu (at most 256 characters)
    usage: str  #: e.g. "/reject ID [reason]": the same in every language
    run: Callable[[Call], Awaitable[None]]
    least: Role = Role.REQUESTER  #: who may call it at all
    opens: Callable[[str], tuple[str, str] | None] = lambda _: None
    """From the arguments, the title and body of the service request that the call would open."""
    searches: Callable[[str], str] = lambda _: ""
    """From the arguments, the question that the call would ask the library; "" = none."""
    meant: Callable[[str], bool] = lambda _: True
    """Whether words said without a slash, behind the command's name, are its arguments."""


def _reply(reply: Reply | Text) -> Reply:
    return reply if isinstance(reply, Reply) else Reply(text=reply)
