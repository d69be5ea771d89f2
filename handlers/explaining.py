"""A model words root causes that people asked for, beside everything else.

The facts were answered at once.  This is an addition that nothing waits for: what is asked is held
in memory, a restart forgets it, and where there is no model nothing comes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from engine.insight.root_cause import Analysis, root_cause
from engine.insight.wording import worded
from engine.inventory import Inventory
from engine.knowledge.writing import Writer
from handlers import replies
from handlers.inbound import Event
from handlers.replies import Reply
from prompts.texts import text
from storage import incidents
from storage.database import Database
from storage.people import Person

log = logging.getLogger(__name__)

_WAITING = 20
"""Questions that are held; one more is not worded."""


@dataclass(frozen=True)
class Question:
    """Who asked about which incident, where."""

    incident_id: int
    room_id: int
    person: Person
    event: Event


class Explaining:
    """One per process. ``ask`` returns at once."""

    def __init__(self, db: Database, inventory: Inventory, writer: Writer) -> None:
        self._db = db
        self._inventory = inventory
        self._writer = writer
        self._asked: asyncio.Queue[Question] = asyncio.Queue(_WAITING)

    def ask(self, question: Question) -> None:
        """Have it worded when its turn comes; when too many wait, not at all."""
        try:
            self._asked.put_nowait(question)
        except asyncio.QueueFull:
            log.warning(
                "root cause of incident %s: not worded, too many wait", question.incident_id
            )

    async def words(self, found: Analysis, language: str) -> str | None:
        """The model's paragraph; None when there is none."""
        return await worded(self._writer, found, language)

    async def serve(self) -> None:
        """Run until cancelled."""
        while True:
            await self.answer(await self._asked.get())

    async def answer(self, question: Question) -> None:
        """Word one root cause and tell it to whoever asked."""
        async with self._db.read() as tx:
            incident = await incidents.must(tx, question.incident_id)
            found = await root_cause(tx, self._inventory, incident)
        words = await self.words(found, question.person.language)
        if words is None:
            return
        reply = Reply(
            title=text("cause_title", key=incident.key), text=words, note=text("cause_worded")
        )
        async with self._db.write() as tx:
            await replies.whisper(tx, question.room_id, question.person, question.event, reply)
