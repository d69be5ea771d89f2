"""Who is speaking, and may they speak here? By immutable ids from the verified envelope only."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.inbound import Event
from prompts.texts import DEFAULT_LANGUAGE
from storage import people, rooms
from storage.database import Transaction
from storage.people import Account, Person
from storage.rooms import Room


@dataclass(frozen=True)
class Standing:
    """A speaker as the team knows them, and the room as the configuration knows it."""

    person: Person | None
    room: Room
    direct: bool

    @property
    def welcome(self) -> bool:
        """A listed person, in a listed room or in a one-to-one talk. Everything else is denied."""
        return self.person is not None and (self.room.listed or self.direct)


async def standing(tx: Transaction, event: Event) -> Standing:
    """Look both up, as they are now."""
    person = await person_of(tx, event)
    address = event.room
    language = person.language if person and event.direct else DEFAULT_LANGUAGE
    room = await rooms.seen(
        tx, address.platform, address.tenant, address.address, event.room_name, language
    )
    return Standing(person, room, event.direct)


async def person_of(tx: Transaction, event: Event) -> Person | None:
    """The listed person behind an event, or None."""
    speaker = event.speaker
    if speaker.platform == "web":
        # The web room signs people in itself: its user is the name in the configuration.
        return await people.by_name(tx, speaker.user)
    return await people.by_account(tx, Account(speaker.platform, speaker.tenant, speaker.user))
