"""Questions that the knowledge base can answer are answered; the others go to a person.

The library is asked outside any transaction; giving the answer and completing the request are one
conditional move.  A request gets one answer in its life, and is not completed where nobody would
see it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from engine.errors import GiveUp, Why
from engine.knowledge.library import Asked, Library
from engine.knowledge.search import Found
from engine.requests.desk import Desk
from prompts.texts import text
from storage import answers, cards, people, requests, rooms
from storage.answers import Answer, NewAnswer, Open
from storage.database import Database, Transaction
from storage.lifecycle import RequestState
from storage.people import Person, Role
from storage.requests import Note, Request

_log = logging.getLogger(__name__)

_BATCH = 50
"""Requests that are looked at between two transactions."""
_PASSAGE = 1_500
_NEAREST = 3
_UNSEEN_MS = 7 * 24 * 3_600_000
"""How far back answers are looked for that reached nobody; a day is how long delivery tries."""


class Answering:
    """Looks at each open INQUIRY once, and again when the library has changed."""

    def __init__(self, db: Database, library: Library, desk: Desk | None = None) -> None:
        self._db = db
        self._library = library
        self._desk = desk or Desk()
        self._after = 0
        self._version = 0
        self._looked: set[int] = set()

    async def run_once(self, *, every: bool = True) -> int:
        """Answer what can be answered now; gives how many were.

        ``every``: also what has a lower row id than the last one that was looked at.  It may have
        been committed later, been read as a question since, or lost the person who had it.
        """
        if not self._library.ready:
            return 0
        if self._library.version != self._version:
            self._version = self._library.version
            self._looked.clear()
            every = True
        if every:
            self._after = 0
        count = 0
        while True:
            async with self._db.read() as tx:
                waiting = await answers.unanswered(tx, _BATCH, self._after)
            if not waiting:
                return count
            fresh = [request for request in waiting if request.id not in self._looked]
            said = [(request, await self._asked(request)) for request in fresh]
            worth = [
                (request, asked)
                for request, asked in said
                if asked is not None and (self._sure(asked) or not request.noted)
            ]
            if worth:
                async with self._db.write() as tx:
                    for request, asked in worth:
                        count += await self._take_up(tx, request, asked)
            self._looked.update(request.id for request in fresh)
            self._after = waiting[-1].id

    async def take_back(self) -> int:
        """Open again what was completed by an answer that reached nobody; gives how many were."""
        async with self._db.read() as tx:
            lost = await answers.unseen(tx, tx.now - _UNSEEN_MS, _BATCH)
        count = 0
        for answer in lost:
            async with self._db.write() as tx:
                request = await _request(tx, answer)
                if request is not None and await self._desk.hand_on(tx, request):
                    _log.warning("answering: nobody could be shown the answer to %s", request.key)
                    count += 1
        return count

    async def _asked(self, request: Open) -> Asked | None:
        """What the library says; None when it has nothing at all."""
        try:
            asked = await self._library.ask(_question(request))
        # The boundary: a question that cannot be searched for must not hold up the others.
        except Exception:  # noqa: BLE001
            _log.exception("answering: request %s cannot be searched for", request.id)
            return None
        return asked if asked is not None and asked.answer.found else None

    def _sure(self, asked: Asked) -> bool:
        return asked.answer.confidence >= self._library.settings.answer_at

    async def _take_up(self, tx: Transaction, waiting: Open, asked: Asked) -> bool:
        request = await requests.by_id(tx, waiting.id)
        if request is None:
            return False
        places = await _places(tx, request) if self._sure(asked) else []
        if places:
            given = await answers.give(tx, request, _new(waiting, asked))
            if given is not None:
                for place in places:
                    await cards.place(tx, given.subject, place)
                return True
        await _note_nearest(tx, request, asked.answer.found[:_NEAREST])
        return False


def _question(request: Open) -> str:
    """Title and body; a title that is only the body's beginning is not said twice."""
    if request.body.startswith(request.title.rstrip("…")):
        return request.body
    return f"{request.title}\n{request.body}".strip()


def _new(waiting: Open, asked: Asked) -> NewAnswer:
    best = asked.answer.found[0]
    held = asked.held[best.article.key]
    return NewAnswer(
        article_id=held.id,
        version=held.version,
        key=best.article.key,
        title=best.article.title,
        question=_question(waiting),
        passage=best.passage[:_PASSAGE],
        confidence=asked.answer.confidence,
        evidence=asked.answer.evidence,
    )


async def _places(tx: Transaction, request: Request) -> list[int]:
    """Where the answer is shown: where it was asked, else to whoever asked, else where cards are.

    Without any of these nobody would see it.
    """
    if request.room_id is not None:
        return [request.room_id]
    found = await rooms.direct(tx, request.requester_id) or await rooms.with_cards(tx)
    return [room.id for room in found]


async def _note_nearest(tx: Transaction, request: Request, found: Sequence[Found]) -> None:
    """For whoever gets it: what comes nearest, once."""
    live = request.state in (RequestState.NEW, RequestState.OPEN)
    if not live or await answers.noted(tx, request.id):
        return
    nearest = [f"{each.article.key} {each.article.title}" for each in found]
    note = Note(request.id, request.key, "nearest", {"articles": nearest})
    await requests.record(tx, [note])


async def vote(
    tx: Transaction, desk: Desk, person: Person, answer_id: int, *, solved: bool
) -> Answer:
    """What a person says of an answer; "not solved" opens the request again. Raises GiveUp.

    Whoever asked may say it, and an engineer for them.
    """
    answer = await answers.by_id(tx, answer_id)
    request = await _request(tx, answer)
    if answer is None or request is None:
        raise GiveUp(Why.MISSING, text("kb_answer_missing"))
    if person.id != request.requester_id and person.role < Role.ENGINEER:
        name = await people.name_of(tx, request.requester_id)
        raise GiveUp(Why.FORBIDDEN, text("kb_not_your_answer", name=name))
    if not await answers.vote(tx, answer, person, solved=solved):
        raise GiveUp(Why.CONFLICT, text("kb_said_already", key=request.key))
    if not solved and request.state is RequestState.DONE:
        await desk.reopen(tx, person, request.key)
    return await answers.must(tx, answer_id)


async def _request(tx: Transaction, answer: Answer | None) -> Request | None:
    if answer is None or answer.request_id is None:
        return None
    return await requests.by_id(tx, answer.request_id)
