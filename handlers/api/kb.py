"""/api/kb: what the team knows, for programs and scripts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from engine.errors import GiveUp, Why
from engine.knowledge import shelf
from engine.knowledge.search import Answer
from handlers.api.door import Caller, api_router
from handlers.article_card import ArticleView, effectiveness, view
from handlers.services import Services
from prompts.texts import text

TypedKey = Annotated[str, Path(max_length=40)]
Question = Annotated[str, Query(min_length=1, max_length=4_000)]


def kb_routes(services: Services) -> APIRouter:
    """The routes of /api/kb."""
    router = api_router(services, "/api/kb", "knowledge")
    library = services.knowledge.library

    @router.get("/search")
    async def search(
        _person: Caller, q: Question, limit: Annotated[int, Query(ge=1, le=10)] = 3
    ) -> dict[str, Any]:
        """The published articles nearest to a question, and how sure the first one answers it.

        ``warnings`` are anti-patterns: what was tried and did not help.
        """
        asked = await library.ask(q, limit)
        if asked is None:
            raise GiveUp(Why.CONFLICT, text("kb_not_ready"))
        return {
            "confidence": round(asked.answer.confidence, 4),
            "found": _found(asked.answer),
            "warnings": _found(asked.warning),
        }

    @router.get("/{key}")
    async def show(_person: Caller, key: TypedKey) -> dict[str, Any]:
        """One article, whatever its state, with what people said of it."""
        async with services.db.read() as tx:
            article = await shelf.find(tx, key)
            shown = await view(tx, article)
        return _shown(shown)

    return router


def _shown(shown: ArticleView) -> dict[str, Any]:
    """An article as JSON. Times are milliseconds since 1970 in UTC."""
    article = shown.article
    return {
        "id": article.key,
        "kind": article.kind.value,
        "status": article.state.value,
        "title": article.title,
        "body": article.body,
        "questions": list(article.questions),
        "language": article.language,
        "origin": shown.origin or None,
        "symptom": article.symptom or None,
        "author": article.author or "watchstander",
        "reviewer": article.reviewer or None,
        "version": article.version,
        "created_at": article.created_at,
        "changed_at": article.changed_at,
        "published_at": article.published_at,
        "answers": shown.given,
        "solved": article.solved,
        "unsolved": article.unsolved,
        "effectiveness": effectiveness(article),
        "came_back": shown.came_back,
    }


def _found(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "id": each.article.key,
            "title": each.article.title,
            "passage": each.passage,
            "start": each.start,
            "end": each.end,
        }
        for each in answer.found
    ]
