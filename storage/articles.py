"""Articles: what the team knows, in one table, and the one way to move and to edit them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from storage import audit, cards, counters
from storage.article_tables import article_events, articles
from storage.database import Transaction
from storage.lifecycle import ARTICLE_MOVES, ArticleMove, ArticleState
from storage.people import Person
from storage.tables import people

WATCHSTANDER = "watchstander"
"""The actor of what no person did."""


class Kind(StrEnum):
    """What an article tells."""

    ARTICLE = "ARTICLE"  #: how something is done; answers questions
    RUNBOOK = "RUNBOOK"  #: how something was repaired; answers questions
    ANTI_PATTERN = "ANTI_PATTERN"  #: what was tried and did not help; a warning, never an answer


ANSWERS = (Kind.ARTICLE, Kind.RUNBOOK)
"""The kinds that may answer a question."""


@dataclass(frozen=True)
class Article:
    """One row. Times are milliseconds since 1970."""

    id: int
    key: str
    kind: Kind
    state: ArticleState
    title: str
    body: str
    questions: tuple[str, ...]
    """Likely questions that it answers; never quoted."""
    language: str
    origin: str | None
    """What it was written of: "request:5", "attempt:3"; None = a person wrote it."""
    symptom: str
    author_id: int | None
    author: str
    """Name; "" = Watchstander itself."""
    reviewer_id: int | None
    reviewer: str
    """Name; "" = nobody yet."""
    version: int
    """One more with each edit: whoever decides or edits names the version that they saw."""
    created_at: int
    changed_at: int
    """When its words were last changed; votes from before do not count."""
    published_at: int | None
    solved: int
    unsolved: int

    @property
    def subject(self) -> str:
        """Its name in cards and outbox."""
        return subject(self.id)


@dataclass(frozen=True)
class ArticleEvent:
    """One line of its story. ``who`` is "" for Watchstander itself."""

    at: int
    who: str
    kind: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Words:
    """New words of an article; None leaves what is there."""

    title: str | None = None
    body: str | None = None
    questions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Marker:
    """Differs whenever anything about any article changed, whoever changed it."""

    events: int
    last: int


def subject(article_id: int) -> str:
    """The name of an article in cards and outbox."""
    return f"article:{article_id}"


_author = people.alias("author")
_reviewer = people.alias("reviewer")
whole = (
    sa.select(
        articles,
        sa.func.coalesce(_author.c.name, "").label("author"),
        sa.func.coalesce(_reviewer.c.name, "").label("reviewer"),
    )
    .outerjoin(_author, _author.c.id == articles.c.author_id)
    .outerjoin(_reviewer, _reviewer.c.id == articles.c.reviewer_id)
)


def read(row: sa.Row[Any]) -> Article:
    """An article from a row of ``whole``."""
    values = dict(row._mapping)
    values["kind"] = Kind(values["kind"])
    values["state"] = ArticleState(values["state"])
    values["questions"] = tuple(json.loads(values["questions"]))
    return Article(**values)


async def create(
    tx: Transaction,
    *,
    kind: Kind,
    title: str,
    body: str,
    language: str,
    actor: str,
    questions: Sequence[str] = (),
    origin: str | None = None,
    symptom: str = "",
    author_id: int | None = None,
) -> Article | None:
    """A DRAFT under the day's next key ``KB-YYYYMMDD-NNNN``. None: its origin was used before."""
    if origin is not None and await by_origin(tx, origin) is not None:
        return None
    key = (await counters.take(tx, "KB"))[0]
    number = await tx.insert_new(
        articles,
        key=key,
        kind=kind.value,
        state=ArticleState.DRAFT.value,
        title=title,
        body=body,
        questions=_json(list(questions)),
        language=language,
        origin=origin,
        symptom=symptom,
        author_id=author_id,
        created_at=tx.now,
        changed_at=tx.now,
    )
    if number is None:  # the same origin was committed by somebody else since we looked
        return None
    made = await must(tx, number)
    told = {"kind": kind.value, "title": title, "origin": origin}
    await _event(tx, made, "create", told, actor, author_id)
    return made


async def by_id(tx: Transaction, article_id: int) -> Article | None:
    """One article."""
    return await _one(tx, articles.c.id == article_id)


async def must(tx: Transaction, article_id: int) -> Article:
    """One article that is known to be there."""
    found = await by_id(tx, article_id)
    assert found is not None, f"article {article_id}"
    return found


async def by_key(tx: Transaction, key: str) -> Article | None:
    """An article by its whole key."""
    return await _one(tx, articles.c.key == key)


async def by_origin(tx: Transaction, origin: str) -> Article | None:
    """The article that was written of something."""
    return await _one(tx, articles.c.origin == origin)


async def _one(tx: Transaction, condition: sa.ColumnElement[bool]) -> Article | None:
    row = await tx.one(whole.where(condition))
    return read(row) if row else None


async def listing(
    tx: Transaction,
    limit: int = 50,
    *,
    states: Collection[ArticleState] | None = None,
    before: int | None = None,
) -> list[Article]:
    """The newest articles; ``before`` is a row id to page from."""
    query = whole.order_by(articles.c.id.desc()).limit(limit)
    if states is not None:
        query = query.where(articles.c.state.in_([state.value for state in states]))
    if before is not None:
        query = query.where(articles.c.id < before)
    return [read(row) for row in await tx.all(query)]


async def about(
    tx: Transaction, symptom: str, state: ArticleState, limit: int = 5
) -> list[Article]:
    """The newest articles about a symptom in a state."""
    query = whole.where(
        articles.c.symptom == symptom, articles.c.state == state.value, articles.c.symptom != ""
    )
    return [read(row) for row in await tx.all(query.order_by(articles.c.id.desc()).limit(limit))]


async def counts(tx: Transaction) -> dict[ArticleState, int]:
    """How many articles stand in each state."""
    query = sa.select(articles.c.state, sa.func.count().label("n")).group_by(articles.c.state)
    found = {ArticleState(row.state): int(row.n) for row in await tx.all(query)}
    return {state: found.get(state, 0) for state in ArticleState}


async def unasked(tx: Transaction, limit: int) -> list[Article]:
    """Drafts as they were made, for which nobody has proposed likely questions, oldest first."""
    query = whole.where(
        articles.c.state == ArticleState.DRAFT.value,
        articles.c.questions == "[]",
        articles.c.version == 1,
    )
    return [read(row) for row in await tx.all(query.order_by(articles.c.id).limit(limit))]


async def marker(tx: Transaction) -> Marker:
    """What tells, at little cost, whether anything changed."""
    # The count as well: on PostgreSQL a lower id may be committed after a higher one.
    query = sa.select(
        sa.func.count().label("events"),
        sa.func.coalesce(sa.func.max(article_events.c.id), 0).label("last"),
    ).select_from(article_events)
    row = await tx.one(query)
    assert row is not None
    return Marker(int(row.events), int(row.last))


async def published(tx: Transaction) -> dict[int, int]:
    """Row id → version of each PUBLISHED article."""
    query = sa.select(articles.c.id, articles.c.version).where(
        articles.c.state == ArticleState.PUBLISHED.value
    )
    return {int(row.id): int(row.version) for row in await tx.all(query)}


async def some(tx: Transaction, ids: Collection[int]) -> list[Article]:
    """The articles with these row ids that are PUBLISHED."""
    query = whole.where(
        articles.c.id.in_(list(ids)), articles.c.state == ArticleState.PUBLISHED.value
    )
    return [read(row) for row in await tx.all(query)]


async def move(
    tx: Transaction,
    article: Article,
    step: ArticleMove,
    actor: str,
    *,
    detail: Mapping[str, Any] | None = None,
    person: Person | None = None,
) -> bool:
    """Move an article that stands as it was read, in state and version. False: nothing changed.

    Writes its story and the audit row, and has its cards drawn anew.
    """
    target = next(iter(ARTICLE_MOVES[step].values()))
    stamps: dict[str, Any] = {"published_at": tx.now} if step is ArticleMove.PUBLISH else {}
    if person is not None:
        stamps["reviewer_id"] = person.id
    changed = await tx.change(
        articles.update()
        .where(
            articles.c.id == article.id,
            articles.c.version == article.version,
            articles.c.state.in_([state.value for state in ARTICLE_MOVES[step]]),
        )
        .values(state=target.value, **stamps)
    )
    if changed != 1:
        return False
    told = {"state": target.value, "version": article.version, **(detail or {})}
    await _event(tx, article, step.value, told, actor, person.id if person else None)
    return True


async def edit(
    tx: Transaction,
    article: Article,
    new: Words,
    actor: str,
    *,
    kind: str = "edit",
    person: Person | None = None,
    same_meaning: bool = False,
) -> bool:
    """Change the words of an article that stands as it was read. False: somebody was quicker.

    What stood there before is kept in its story.  ``same_meaning``: votes still hold.
    """
    given = {name: value for name, value in vars(new).items() if value is not None}
    before = {name: getattr(article, name) for name in given}
    values = {name: _json(v) if isinstance(v, tuple) else v for name, v in given.items()}
    if not same_meaning:
        values["changed_at"] = tx.now
    changed = await tx.change(
        articles.update()
        .where(
            articles.c.id == article.id,
            articles.c.version == article.version,
            articles.c.state == article.state.value,
        )
        .values(version=articles.c.version + 1, **values)
    )
    if changed != 1:
        return False
    told = {"fields": sorted(given), "version": article.version + 1}
    await _event(tx, article, kind, told, actor, person.id if person else None, before=before)
    return True


async def voted(
    tx: Transaction, article_id: int, actor: str, person: Person, *, now: bool, was: bool | None
) -> None:
    """Count what a person said of an answer; ``was``: what was said of the same answer before."""
    solved = int(now) - int(was is True)
    unsolved = int(not now) - int(was is False)
    await tx.change(
        articles.update()
        .where(articles.c.id == article_id)
        .values(solved=articles.c.solved + solved, unsolved=articles.c.unsolved + unsolved)
    )
    article = await must(tx, article_id)
    await _event(tx, article, "vote", {"solved": now}, actor, person.id)


async def story(tx: Transaction, article_id: int, limit: int = 100) -> list[ArticleEvent]:
    """The newest lines of its story, oldest first."""
    query = (
        sa.select(article_events, sa.func.coalesce(people.c.name, "").label("who"))
        .outerjoin(people, people.c.id == article_events.c.person_id)
        .where(article_events.c.article_id == article_id)
        .order_by(article_events.c.id.desc())
        .limit(limit)
    )
    rows = await tx.all(query)
    return [ArticleEvent(r.at, r.who, r.kind, json.loads(r.detail)) for r in reversed(rows)]


async def _event(
    tx: Transaction,
    article: Article,
    kind: str,
    detail: Mapping[str, Any],
    actor: str,
    person_id: int | None,
    *,
    before: Mapping[str, Any] | None = None,
) -> None:
    """``before``: what stood there; it is kept in the story alone."""
    await tx.insert(
        article_events,
        article_id=article.id,
        at=tx.now,
        person_id=person_id,
        kind=kind,
        detail=_json({**detail, "before": before} if before is not None else detail),
    )
    await audit.append(tx, actor, f"article.{kind}", article.key, detail)
    await cards.refresh(tx, article.subject)
    tx.wake("articles")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
