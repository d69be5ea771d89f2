"""Everything a person can do with an article, with the right to do it.

Watchstander drafts, people publish: a draft is published by an engineer who did not write it, or by
an admin.  Everything refuses by raising GiveUp.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import GiveUp, Why
from engine.requests import words
from prompts.texts import Text, text
from storage import articles, cards, rooms
from storage.articles import Article, Kind, Words
from storage.database import Transaction
from storage.lifecycle import ArticleMove, ArticleState
from storage.people import Person, Role

TITLE_LIMIT = 200
"""Characters of a title or of a likely question."""
BODY_LIMIT = 20_000
"""Characters of a body."""
MOST_QUESTIONS = 20
REASON_LIMIT = 1_000
FIELDS = ("title", "body", "questions")
"""What can be edited."""

_DECIDING = frozenset({"create", *(move.value for move in ArticleMove)})


async def find(tx: Transaction, typed: str) -> Article:
    """The article of an id as a person types it: the key, or the number of one of today."""
    key = words.dated_key("KB", typed, tx.now)
    if key is None:
        raise GiveUp(Why.INVALID, text("kb_bad_key", typed=words.quoted(typed)))
    article = await articles.by_key(tx, key)
    if article is None:
        raise GiveUp(Why.MISSING, text("kb_missing", key=key))
    return article


async def draft(
    tx: Transaction, person: Person, title: str, body: str, room_id: int | None = None
) -> Article:
    """A person's draft, in their language, with its review card here and where people review."""
    if person.role < Role.REQUESTER:
        raise GiveUp(Why.FORBIDDEN, text("kb_forbidden_agent", name=person.name))
    made = await articles.create(
        tx,
        kind=Kind.ARTICLE,
        title=words.line(text("kb_field_title"), title, TITLE_LIMIT),
        body=words.paragraph(text("kb_field_body"), body, BODY_LIMIT),
        language=person.language,
        actor=person.actor,
        author_id=person.id,
    )
    assert made is not None, "a draft without an origin is always new"
    await ask_review(tx, made, room_id)
    tx.wake("learning")
    return made


async def ask_review(tx: Transaction, article: Article, room_id: int | None = None) -> None:
    """Show its card where people review: the rooms for approvals, else those with cards."""
    where = await rooms.for_approvals(tx) or await rooms.with_cards(tx)
    places = {room.id for room in where} | ({room_id} if room_id is not None else set())
    for place in sorted(places):
        await cards.place(tx, article.subject, place)


async def publish(
    tx: Transaction, person: Person, article: Article, seen: int | None = None
) -> Article:
    """Publish a draft. ``seen``: the version on the card; None where the door shows none."""
    _need_engineer(person)
    if article.author_id == person.id and person.role < Role.ADMIN:
        raise GiveUp(Why.FORBIDDEN, text("kb_own", key=article.key))
    return await _move(tx, person, article, ArticleMove.PUBLISH, seen)


async def reject(
    tx: Transaction, person: Person, article: Article, reason: str = "", seen: int | None = None
) -> Article:
    """Say no to a draft; whoever wrote it may take it back."""
    if article.author_id != person.id:
        _need_engineer(person)
    return await _move(tx, person, article, ArticleMove.REJECT, seen, _reason(reason))


async def retire(tx: Transaction, person: Person, article: Article, reason: str = "") -> Article:
    """Take a published article out of the search."""
    _need_engineer(person)
    return await _move(tx, person, article, ArticleMove.RETIRE, None, _reason(reason))


async def edit(tx: Transaction, person: Person, article: Article, field: str, said: str) -> Article:
    """Change a field; what is no draft becomes one again, and waits for its review.

    ``questions`` are one a line, or parted by "|"; none at all takes them away.
    """
    if article.author_id != person.id or article.state is not ArticleState.DRAFT:
        _need_engineer(person)
    given = _given(field, said)
    if article.state is not ArticleState.DRAFT:
        article = await _move(tx, person, article, ArticleMove.REVISE, None)
        await ask_review(tx, article)
    if not await articles.edit(tx, article, given, person.actor, person=person):
        raise GiveUp(Why.CONFLICT, text("kb_changed", key=article.key))
    return await articles.must(tx, article.id)


async def _move(
    tx: Transaction,
    person: Person,
    article: Article,
    step: ArticleMove,
    seen: int | None,
    reason: str = "",
) -> Article:
    if seen is not None and seen != article.version:
        raise GiveUp(Why.CONFLICT, text("kb_changed", key=article.key))
    detail = {"reason": reason} if reason else {}
    if not await articles.move(tx, article, step, person.actor, detail=detail, person=person):
        now = await articles.must(tx, article.id)
        if now.version != article.version:
            raise GiveUp(Why.CONFLICT, text("kb_changed", key=now.key))
        raise GiveUp(Why.CONFLICT, await fate(tx, now))
    return await articles.must(tx, article.id)


async def fate(tx: Transaction, article: Article) -> Text:
    """What became of an article: by whom, when, and how it stands."""
    story = await articles.story(tx, article.id)
    last = next(event for event in reversed(story) if event.kind in _DECIDING)
    who: Text | str = last.who or text("request_watchstander")
    return text("kb_conflict", key=article.key, state=state_text(article), who=who, at=last.at)


def state_text(article: Article) -> Text:
    """The name of its state, for people."""
    return text(f"kb_state_{article.state.value.lower()}")


def kind_text(article: Article) -> Text:
    """The name of its kind, for people."""
    return text(f"kb_kind_{article.kind.value.lower()}")


def _given(field: str, said: str) -> Words:
    if field == "title":
        return Words(title=words.line(text("kb_field_title"), said, TITLE_LIMIT))
    if field == "body":
        return Words(body=words.paragraph(text("kb_field_body"), said, BODY_LIMIT))
    if field == "questions":
        return Words(questions=questions(said.replace("|", "\n").splitlines()))
    known = ", ".join(FIELDS)
    raise GiveUp(Why.INVALID, text("kb_bad_field", given=words.quoted(field), known=known))


def questions(lines: Sequence[str]) -> tuple[str, ...]:
    """Likely questions as they are kept: each once, in their order. Raises GiveUp(INVALID)."""
    kept = [
        words.line(text("kb_field_questions"), line, TITLE_LIMIT) for line in lines if line.strip()
    ]
    found = tuple(dict.fromkeys(kept))
    if len(found) > MOST_QUESTIONS:
        raise GiveUp(Why.INVALID, text("kb_many_questions", count=len(found), limit=MOST_QUESTIONS))
    return found


def _reason(said: str) -> str:
    return words.paragraph(text("kb_field_reason"), said, REASON_LIMIT, may_be_empty=True)


def _need_engineer(person: Person) -> None:
    if person.role < Role.ENGINEER:
        raise GiveUp(Why.FORBIDDEN, text("kb_forbidden", name=person.name))
