"""The service desk: everything a person can do with a request, with the right to do it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from engine.errors import GiveUp, Why
from engine.language.classify import Suggestion, by_model, classify
from engine.requests import words
from prompts.texts import Text, text
from storage import people, requests
from storage.database import Transaction
from storage.lifecycle import RequestMove, RequestState
from storage.people import Person, Role
from storage.requests import Happening, Request

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_MOVES = frozenset(move.value for move in RequestMove)


@dataclass(frozen=True)
class DeskSettings:
    """How fast requests must be done, and how much text they hold."""

    critical_hours: int = 2
    """Hours from creation to the deadline of a CRITICAL request."""

    high_hours: int = 4
    """Hours to the deadline of a HIGH request."""

    medium_hours: int = 24
    """Hours to the deadline of a MEDIUM request."""

    low_hours: int = 72
    """Hours to the deadline of a LOW request."""

    escalate_minutes: int = 30
    """Minutes before the deadline at which the approvals rooms and the people on call are told."""

    title_limit: int = 200
    """Characters of a title; longer ones do not fit in one line of a card."""

    text_limit: int = 10_000
    """Characters of a body or a comment; more belongs in a file."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < (0 if field.name == "escalate_minutes" else 1):
                raise ValueError(f"{field.name}: {value} is too small; give a positive number")

    def due_after(self, priority: str) -> int:
        """Milliseconds from creation to the deadline."""
        hours = {
            "CRITICAL": self.critical_hours,
            "HIGH": self.high_hours,
            "MEDIUM": self.medium_hours,
            "LOW": self.low_hours,
        }
        return hours[priority] * _HOUR_MS

    @property
    def escalate_ms(self) -> int:
        return self.escalate_minutes * _MINUTE_MS


class Desk:
    """Creates, finds, moves and comments requests. Everything refuses by raising GiveUp.

    ``typed`` is an id as a person types it (see engine/requests/words.py). ``approved`` says that
    an approved action asks for the change: then the approval is the right to make it.
    """

    def __init__(self, settings: DeskSettings | None = None) -> None:
        self.settings = settings or DeskSettings()

    async def create(
        self,
        tx: Transaction,
        person: Person,
        title: str,
        body: str = "",
        *,
        suggestion: Suggestion | None = None,
        room_id: int | None = None,
        origin: str | None = None,
    ) -> Request:
        """A NEW request; once per ``origin``.

        ``suggestion`` is what the reader said before the transaction opened; without it the
        keywords suggest.
        """
        settings = self.settings
        title = words.line(text("request_field_title"), title, settings.title_limit)
        body = words.paragraph(
            text("request_field_body"), body, settings.text_limit, may_be_empty=True
        )
        return await requests.create(
            tx,
            title=title,
            body=body,
            suggestion=asdict(suggestion or classify(title, body)),
            requester_id=person.id,
            actor=person.actor,
            room_id=room_id,
            origin=origin,
        )

    async def find(self, tx: Transaction, typed: str) -> Request:
        """The request that an id means."""
        key = words.request_key(typed, tx.now)
        request = await requests.by_key(tx, key)
        if request is None:
            raise GiveUp(Why.MISSING, text("request_missing", key=key))
        return request

    async def listing(
        self,
        tx: Transaction,
        *,
        states: Collection[RequestState] | None = requests.LIVE,
        type: str | None = None,
        assignee_id: int | None = None,
        requester_id: int | None = None,
        limit: int = 20,
        before: int | None = None,
    ) -> list[Request]:
        """Requests, newest first; the live ones unless other states are named (None = all)."""
        return await requests.listing(
            tx,
            states=states,
            type=type,
            assignee_id=assignee_id,
            requester_id=requester_id,
            limit=limit,
            before=before,
        )

    async def timeline(self, tx: Transaction, request: Request) -> list[Happening]:
        """What happened to a request, oldest first."""
        return await requests.timeline(tx, request.id)

    async def comment(self, tx: Transaction, person: Person, typed: str, said: str) -> Request:
        """Add a comment; in every state, by anyone who is listed."""
        said = words.paragraph(text("request_field_comment"), said, self.settings.text_limit)
        request = await self.find(tx, typed)
        note = requests.Note(request.id, request.key, "comment", {"comment": said})
        await requests.record(tx, [note], person.actor, person.id)
        return request

    async def assign(
        self, tx: Transaction, person: Person, typed: str, name: str, *, approved: bool = False
    ) -> Request:
        """Give a live request to a person by name; "me" is the caller."""
        request = await self.find(tx, typed)
        if not approved:
            _need_engineer(person)
        chosen = await self._person(tx, person, name)
        if request.live and request.assignee_id == chosen.id:
            raise GiveUp(
                Why.CONFLICT, text("request_has_already", key=request.key, name=chosen.name)
            )
        values: dict[str, Any] = {"assignee_id": chosen.id}
        if request.type is None:
            values |= self._reading(request)
        return await self._move(
            tx, person, request, RequestMove.ASSIGN, {"assignee": chosen.name}, **values
        )

    async def close(
        self,
        tx: Transaction,
        person: Person,
        typed: str,
        comment: str = "",
        *,
        approved: bool = False,
    ) -> Request:
        """Close as done: an engineer, or whoever asked for it."""
        return await self._end(tx, person, typed, RequestMove.CLOSE, comment, approved=approved)

    async def reject(
        self, tx: Transaction, person: Person, typed: str, comment: str = ""
    ) -> Request:
        """Close as refused: an engineer."""
        return await self._end(tx, person, typed, RequestMove.REJECT, comment)

    async def reopen(self, tx: Transaction, person: Person, typed: str) -> Request:
        """Open a closed request with a new deadline: an engineer, or whoever asked for it."""
        request = await self.find(tx, typed)
        if person.id != request.requester_id:
            _need_engineer(person)
        anew = self._anew(tx, request)
        return await self._move(tx, person, request, RequestMove.REOPEN, {}, **anew)

    async def hand_on(self, tx: Transaction, request: Request) -> bool:
        """Open again what was completed by an answer that reached nobody: a person gets it."""
        return await requests.move(
            tx,
            request,
            RequestMove.REOPEN,
            actor=requests.WATCHSTANDER,
            person_id=None,
            detail={"why": "unseen"},
            **self._anew(tx, request),
        )

    async def set_priority(
        self, tx: Transaction, person: Person, typed: str, priority: str, *, approved: bool = False
    ) -> Request:
        """Change the priority of a live request; its deadline follows, counted from creation."""
        priority = words.priority(priority)
        request = await self.find(tx, typed)
        if not approved:
            _need_engineer(person)
        due_at = request.created_at + self.settings.due_after(priority)
        values: dict[str, Any] = {"priority": priority, "due_at": due_at}
        if due_at - self.settings.escalate_ms > tx.now:
            values["escalated_at"] = None  # the new deadline is far: it gets a warning of its own
        done = await requests.edit(
            tx,
            request,
            "priority",
            actor=person.actor,
            person_id=person.id,
            detail={"from": request.priority, "to": priority},
            **values,
        )
        return await self._after(tx, request, done)

    async def _end(
        self,
        tx: Transaction,
        person: Person,
        typed: str,
        move: RequestMove,
        comment: str,
        *,
        approved: bool = False,
    ) -> Request:
        comment = words.paragraph(
            text("request_field_comment"), comment, self.settings.text_limit, may_be_empty=True
        )
        request = await self.find(tx, typed)
        own = move is RequestMove.CLOSE and person.id == request.requester_id
        if not (approved or own):
            _need_engineer(person)
        detail = {"comment": comment} if comment else {}
        return await self._move(tx, person, request, move, detail, closed_at=tx.now)

    async def _move(
        self,
        tx: Transaction,
        person: Person,
        request: Request,
        move: RequestMove,
        detail: Mapping[str, Any],
        **values: Any,
    ) -> Request:
        done = await requests.move(
            tx,
            request,
            move,
            actor=person.actor,
            person_id=person.id,
            detail=detail,
            **values,
        )
        return await self._after(tx, request, done)

    async def _after(self, tx: Transaction, request: Request, done: bool) -> Request:
        now = await requests.by_id(tx, request.id)
        assert now is not None
        if done:
            return now
        events = await requests.timeline(tx, request.id)
        last = next(event for event in reversed(events) if event.kind in {*_MOVES, "create"})
        who: Text | str = last.who or text("request_watchstander")
        state = state_text(now.state)
        raise GiveUp(
            Why.CONFLICT, text("request_conflict", key=now.key, state=state, who=who, at=last.at)
        )

    async def _person(self, tx: Transaction, caller: Person, name: str) -> Person:
        name = name.strip().removeprefix("@")
        listed = [p for p in await people.everyone(tx) if p.role >= Role.ENGINEER]
        exact = [p for p in listed if p.name == name]
        found = exact or [p for p in listed if p.name.casefold() == name.casefold()]
        if not found and name.casefold() == "me" and caller.role >= Role.ENGINEER:
            found = [caller]
        if len(found) == 1:
            return found[0]
        known = ", ".join(sorted(p.name for p in listed)) or "–"
        raise GiveUp(
            Why.INVALID, text("request_bad_assignee", name=words.quoted(name), known=known)
        )

    def _anew(self, tx: Transaction, request: Request) -> dict[str, Any]:
        """What a request that is opened again begins with: nobody has it, and a new deadline."""
        values = {"closed_at": None, "assignee_id": None, "escalated_at": None, "breached_at": None}
        reading = self._reading(request)
        return values | reading | {"due_at": tx.now + self.settings.due_after(reading["priority"])}

    def _reading(self, request: Request) -> dict[str, Any]:
        """Type, priority and deadline of a request, by its suggestion where nothing is set yet."""
        suggestion = by_model(request.suggestion) or classify(request.title, request.body)
        priority = request.priority or suggestion.priority
        due_at = request.due_at or request.created_at + self.settings.due_after(priority)
        kind = request.type or suggestion.type
        return {"type": kind, "priority": priority, "due_at": due_at}


def state_text(state: RequestState) -> Text:
    """The name of a state, for people."""
    return text(f"request_state_{state.value.lower()}")


def _need_engineer(person: Person) -> None:
    if person.role < Role.ENGINEER:
        raise GiveUp(Why.FORBIDDEN, text("request_forbidden", name=person.name))
