"""What people do with an incident: find, take, resolve, retry and comment it, with the right to."""

from __future__ import annotations

from engine.errors import GiveUp, Why
from engine.requests import words
from prompts.texts import text
from storage import blocks, incidents
from storage.blocks import Block
from storage.database import Transaction
from storage.incidents import Incident
from storage.lifecycle import IncidentMove, IncidentState
from storage.people import Person, Role

COMMENT_LIMIT = 4_000
"""Characters of a comment; more belongs in a file."""

LIVE = tuple(state for state in IncidentState if state is not IncidentState.RESOLVED)
"""The states in which somebody or something still has to do with it."""


async def find(tx: Transaction, typed: str) -> Incident:
    """The incident that a person means. Raises GiveUp.

    ``INC-20261120-0003`` and ``20261120-0003`` are that incident; a bare number such as ``3`` is
    the incident of that number of today (UTC, as in the keys).
    """
    key = words.dated_key("INC", typed, tx.now)
    if key is None:
        raise GiveUp(Why.INVALID, text("incident_bad_key", typed=words.quoted(typed)))
    found = await incidents.by_key(tx, key)
    if found is None:
        raise GiveUp(Why.MISSING, text("incident_missing", key=key))
    return found


def looks_like_key(word: str) -> bool:
    """Whether a word can be the key of an incident."""
    return words.dated_key("INC", word, 0) is not None


async def take(tx: Transaction, person: Person, incident: Incident) -> Incident:
    """The person has it from now on. Raises GiveUp."""
    _need_engineer(person)
    _not_over(incident)
    if not await incidents.take(tx, incident.id, person):
        now = await incidents.must(tx, incident.id)
        _not_over(now)
        raise GiveUp(Why.CONFLICT, text("incident_yours_already", key=now.key))
    return await incidents.must(tx, incident.id)


async def resolve(
    tx: Transaction, person: Person, incident: Incident, comment: str = ""
) -> Incident:
    """It is over, says a person. The comment tells the next one what helped. Raises GiveUp."""
    _need_engineer(person)
    _not_over(incident)
    field = text("incident_field_comment")
    comment = words.paragraph(field, comment, COMMENT_LIMIT, may_be_empty=True)
    detail = {"why": "person", "by": person.name} | ({"comment": comment} if comment else {})
    done = await incidents.move(
        tx, incident.id, IncidentMove.RESOLVE, person.actor, detail=detail, person=person
    )
    now = await incidents.must(tx, incident.id)
    if not done:
        _not_over(now)
    return now


async def retry(tx: Transaction, person: Person, incident: Incident) -> tuple[Incident, int]:
    """Let it be repaired by itself again; gives how many blocks were lifted. Raises GiveUp."""
    _need_engineer(person)
    _not_over(incident)
    await incidents.locked(tx, incident.id)
    lifted = [b.id for b in await standing_blocks(tx, incident) if await _lift(tx, b, person)]
    detail = {"by": person.name, "lifted": lifted}
    moved = await incidents.move(
        tx, incident.id, IncidentMove.RETRY, person.actor, detail=detail, person=person
    )
    if not moved:
        now = await incidents.must(tx, incident.id)
        raise GiveUp(
            Why.CONFLICT,
            text("incident_not_escalated", key=now.key, state=text(f"incident_state_{now.state}")),
        )
    return await incidents.must(tx, incident.id), len(lifted)


async def comment(tx: Transaction, person: Person, incident: Incident, said: str) -> None:
    """Add a comment; in every state, by anyone who is listed. Raises GiveUp."""
    said = words.paragraph(text("incident_field_comment"), said, COMMENT_LIMIT)
    await incidents.note(tx, incident.id, "comment", {"comment": said}, person)


async def standing_blocks(tx: Transaction, incident: Incident) -> list[Block]:
    """The blocks that keep the incident from being repaired by itself, oldest first."""
    return [block for block in await blocks.standing(tx) if block.symptom == incident.symptom]


async def _lift(tx: Transaction, block: Block, person: Person) -> bool:
    return await blocks.lift(tx, block, person, "person")


def _not_over(incident: Incident) -> None:
    if incident.state is IncidentState.RESOLVED:
        raise GiveUp(Why.CONFLICT, text("incident_over", key=incident.key, at=incident.resolved_at))


def _need_engineer(person: Person) -> None:
    if person.role < Role.ENGINEER:
        raise GiveUp(Why.FORBIDDEN, text("incident_forbidden", name=person.name))
