"""What the knowledge base answered, and whether that solved it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import articles, cards, requests
from storage.article_tables import answers
from storage.article_tables import articles as article_table
from storage.database import Transaction
from storage.lifecycle import ArticleState, RequestMove, RequestState
from storage.people import Person
from storage.requests import Request
from storage.tables import cards as card_table
from storage.tables import outbox, request_events
from storage.tables import requests as request_table

WATCHSTANDER = articles.WATCHSTANDER


@dataclass(frozen=True)
class Answer:
    """One row."""

    id: int
    request_id: int | None
    article_id: int
    article: str
    """Its article's key."""
    title: str
    """Its article's title as it is now."""
    question: str
    passage: str
    """The words of the article that were quoted, as they were then."""
    confidence: float
    evidence: Mapping[str, float]
    """What the confidence was made from."""
    at: int
    solved: bool | None
    """What the person said; None = nothing yet."""
    said_by: int | None
    said_at: int | None

    @property
    def subject(self) -> str:
        """Its name in cards and outbox."""
        return f"answer:{self.id}"


@dataclass(frozen=True)
class NewAnswer:
    """What is about to be said: which article, which of its words, and how sure that is."""

    article_id: int
    version: int
    """Of the article that was read; another version says nothing."""
    key: str
    title: str
    question: str
    passage: str
    confidence: float
    evidence: Mapping[str, float]


@dataclass(frozen=True)
class Open:
    """A request that asks something and that nobody has taken up."""

    id: int
    title: str
    body: str
    noted: bool
    """The nearest articles stand in its timeline already."""


@dataclass(frozen=True)
class Resolved:
    """A request that a person closed with words."""

    id: int
    key: str
    title: str
    body: str
    comment: str
    requester_id: int


_full = sa.select(
    answers,
    article_table.c.key.label("article"),
    article_table.c.title.label("title"),
).join(article_table, article_table.c.id == answers.c.article_id)


def _answer(row: sa.Row[Any]) -> Answer:
    values = dict(row._mapping)
    values["evidence"] = json.loads(values["evidence"])
    return Answer(**values)


async def give(tx: Transaction, request: Request, new: NewAnswer) -> Answer | None:
    """Answer an open request that has had no answer, and complete it. None: nothing was done.

    Nothing is done for a request that somebody has or that is over, and when the article is no
    longer as it was read.
    """
    article = await articles.by_id(tx, new.article_id)
    as_read = article is not None and article.version == new.version
    if not as_read or article is None or article.state is not ArticleState.PUBLISHED:
        return None
    if request.assignee_id is not None or await of_request(tx, request.id) is not None:
        return None
    detail = {"comment": f"{new.key} {new.title}", "article": new.key}
    moved = await requests.move(
        tx,
        request,
        RequestMove.CLOSE,
        # On PostgreSQL somebody may have taken it, or answered it, since it was read.
        request_table.c.assignee_id.is_(None),
        ~sa.exists().where(answers.c.request_id == request.id),
        actor=WATCHSTANDER,
        person_id=None,
        detail={**detail, "confidence": round(new.confidence, 4)},
        closed_at=tx.now,
        type=request.type or "INQUIRY",
    )
    if not moved:
        return None
    number = await tx.insert(
        answers,
        request_id=request.id,
        article_id=new.article_id,
        question=new.question,
        passage=new.passage,
        confidence=new.confidence,
        evidence=json.dumps(dict(new.evidence)),
        at=tx.now,
    )
    return await must(tx, number)


async def by_id(tx: Transaction, answer_id: int) -> Answer | None:
    """One answer."""
    row = await tx.one(_full.where(answers.c.id == answer_id))
    return _answer(row) if row else None


async def must(tx: Transaction, answer_id: int) -> Answer:
    """One answer that is known to be there."""
    found = await by_id(tx, answer_id)
    assert found is not None, f"answer {answer_id}"
    return found


async def of_request(tx: Transaction, request_id: int) -> Answer | None:
    """The answer that a request got."""
    row = await tx.one(_full.where(answers.c.request_id == request_id).limit(1))
    return _answer(row) if row else None


async def vote(tx: Transaction, answer: Answer, person: Person, *, solved: bool) -> bool:
    """Keep what a person says of an answer. False: it says so already, or was said meanwhile."""
    if answer.solved is solved:
        return False
    stood = (
        answers.c.solved.is_(None) if answer.solved is None else (answers.c.solved == answer.solved)
    )
    changed = await tx.change(
        answers.update()
        .where(answers.c.id == answer.id, stood)
        .values(solved=solved, said_by=person.id, said_at=tx.now)
    )
    if changed != 1:
        return False
    await articles.voted(tx, answer.article_id, person.actor, person, now=solved, was=answer.solved)
    await cards.refresh(tx, answer.subject)
    return True


async def votes(tx: Transaction, limit: int) -> list[Answer]:
    """The newest answers that people have spoken of, of articles whose words are the same still."""
    query = _full.where(answers.c.solved.is_not(None), answers.c.at >= article_table.c.changed_at)
    return [_answer(row) for row in await tx.all(query.order_by(answers.c.id.desc()).limit(limit))]


async def given(tx: Transaction, article_id: int) -> int:
    """How often an article was the answer."""
    query = sa.select(sa.func.count()).select_from(answers)
    row = await tx.one(query.where(answers.c.article_id == article_id))
    assert row is not None
    return int(row[0])


async def unanswered(tx: Transaction, limit: int, after: int = 0) -> list[Open]:
    """INQUIRY requests above a row id that nobody has and that got no answer, oldest first.

    A request that the cycle has not looked at goes by what was suggested for it.
    """
    noted = sa.exists().where(
        request_events.c.request_id == request_table.c.id, request_events.c.kind == "nearest"
    )
    query = sa.select(
        request_table.c.id, request_table.c.title, request_table.c.body, noted.label("noted")
    ).where(
        request_table.c.id > after,
        request_table.c.state.in_([RequestState.NEW.value, RequestState.OPEN.value]),
        request_table.c.assignee_id.is_(None),
        sa.or_(
            request_table.c.type == "INQUIRY",
            sa.and_(request_table.c.type.is_(None), _suggests("INQUIRY")),
        ),
        ~sa.exists().where(answers.c.request_id == request_table.c.id),
    )
    rows = await tx.all(query.order_by(request_table.c.id).limit(limit))
    return [Open(row.id, row.title, row.body, bool(row.noted)) for row in rows]


async def unseen(tx: Transaction, since: int, limit: int) -> list[Answer]:
    """Answers since a moment that reached nobody: no room has their card, and none will get it.

    Only those whose request still stands completed, and of which nobody has said anything.
    """
    name = sa.literal("answer:") + sa.cast(answers.c.id, sa.Text)
    posted = sa.exists().where(card_table.c.subject == name, card_table.c.message.is_not(None))
    coming = sa.exists().where(outbox.c.subject == name, outbox.c.state == "WAITING")
    query = _full.join(request_table, request_table.c.id == answers.c.request_id).where(
        answers.c.at >= since,
        answers.c.solved.is_(None),
        request_table.c.state == RequestState.DONE.value,
        request_table.c.closed_at == answers.c.at,
        ~posted,
        ~coming,
    )
    return [_answer(row) for row in await tx.all(query.order_by(answers.c.id).limit(limit))]


async def noted(tx: Transaction, request_id: int) -> bool:
    """Whether the nearest articles stand in a request's timeline already."""
    query = sa.select(request_events.c.id).where(
        request_events.c.request_id == request_id, request_events.c.kind == "nearest"
    )
    return await tx.one(query.limit(1)) is not None


async def resolved(
    tx: Transaction, types: tuple[str, ...], since: int, limit: int, shortest: int = 1
) -> list[Resolved]:
    """Requests that a person closed with words since a moment, and no article was written of.

    Oldest first.  With words: those of the last time that it was closed, ``shortest`` characters
    or more; a few shorter ones may come along, those with signs that JSON writes longer.
    """
    events, closing, made = request_events, request_events.alias(), article_table
    origin = sa.literal("request:") + sa.cast(request_table.c.id, sa.Text)
    last = (
        sa.select(sa.func.max(closing.c.id))
        .where(
            closing.c.request_id == request_table.c.id, closing.c.kind == RequestMove.CLOSE.value
        )
        .correlate(request_table)
        .scalar_subquery()
    )
    query = (
        sa.select(request_table, events.c.detail.label("words"))
        .join(events, events.c.request_id == request_table.c.id)
        .where(
            request_table.c.state == RequestState.DONE.value,
            # One that was closed at once goes by what was suggested for it.
            sa.or_(
                request_table.c.type.in_(types),
                *(sa.and_(request_table.c.type.is_(None), _suggests(each)) for each in types),
            ),
            request_table.c.closed_at >= since,
            events.c.id == last,
            events.c.person_id.is_not(None),
            events.c.detail.like('%"comment"%'),
            sa.func.length(events.c.detail) >= shortest + len('{"comment": ""}'),
            ~sa.exists().where(made.c.origin == origin),
        )
        .order_by(request_table.c.closed_at, request_table.c.id)
        .limit(limit)
    )
    return [
        Resolved(r.id, r.key, r.title, r.body, json.loads(r.words)["comment"], r.requester_id)
        for r in await tx.all(query)
    ]


def _suggests(kind: str) -> sa.ColumnElement[bool]:
    return request_table.c.suggestion.like(f'%"type": "{kind}"%')
