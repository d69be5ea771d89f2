"""What a person found out for one request becomes a draft for everybody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace

from engine.knowledge import shelf
from engine.knowledge.asking import likely_questions
from engine.knowledge.settings import KnowledgeSettings
from engine.knowledge.writing import Writer
from engine.redaction import redacted, without_name
from prompts.texts import DEFAULT_LANGUAGE, Text, say
from storage import answers, articles, people
from storage.answers import Resolved
from storage.articles import WATCHSTANDER, Kind
from storage.database import Away, Database

_log = logging.getLogger(__name__)

TYPES = ("INQUIRY", "OTHER")
"""Requests whose answer may help somebody else; the others are work, not knowledge."""
_BACK_MS = 7 * 24 * 3_600_000
"""How far back closed requests are looked at."""
_READ = 200
_CYCLE_WAITS_S = 2.0
"""Seconds that the cycle waits for drafts; a model that takes longer goes on behind it."""


class Drafts:
    """One article draft per closed request, a few in each cycle."""

    def __init__(
        self, db: Database, writer: Writer, settings: KnowledgeSettings | None = None
    ) -> None:
        self._db = db
        self._writer = writer
        self._settings = settings or KnowledgeSettings()
        self._failed: set[int] = set()
        self._made = 0
        self._running: asyncio.Task[int] | None = None

    async def in_cycle(self) -> int:
        """Begin, and wait a little; gives how many drafts were made since it was last asked."""
        if self._running is not None and self._running.done():
            finished, self._running = self._running, None
            finished.result()  # it went on behind the last cycle: what broke it is told now
        if self._running is None:
            self._running = asyncio.create_task(self.run_once(), name="drafts")
        await asyncio.wait({self._running}, timeout=_CYCLE_WAITS_S)
        if self._running.done():
            finished, self._running = self._running, None
            finished.result()
        made, self._made = self._made, 0
        return made

    async def stop(self) -> None:
        """Leave what is being worded; the next process begins it again."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def run_once(self) -> int:
        """Draft what was closed with words worth keeping; gives how many drafts were made."""
        if not self._settings.drafts:
            return 0
        async with self._db.read() as tx:
            shortest = self._settings.shortest_resolution
            closed = await answers.resolved(tx, TYPES, tx.now - _BACK_MS, _READ, shortest)
        worth = [
            each for each in closed if len(each.comment) >= shortest and each.id not in self._failed
        ]
        count = 0
        for request in worth[: self._settings.drafts_per_cycle]:
            try:
                made = await self._draft(request)
                count += made
                self._made += made
            except Away:
                raise
            # The boundary: a request that cannot be drafted is left alone, the others go on.
            except Exception:  # noqa: BLE001
                _log.exception("drafts: %s cannot be made an article", request.key)
                self._failed.add(request.id)
        return count

    async def _draft(self, request: Resolved) -> bool:
        language, name = await self._asker(request)
        request = _bare(request, name)
        worded = await self._writer.write(
            "write_article.j2",
            title=request.title,
            body=request.body,
            resolution=request.comment,
            language=language,
        )
        body = worded or _by_template(request, language)
        own = [request.title, *request.body.splitlines()[:1]]
        asked = await likely_questions(self._writer, request.title, body, language, own)
        async with self._db.write() as tx:
            made = await articles.create(
                tx,
                kind=Kind.ARTICLE,
                title=request.title[: shelf.TITLE_LIMIT],
                body=body[: shelf.BODY_LIMIT],
                language=language,
                actor=WATCHSTANDER,
                questions=asked,
                origin=f"request:{request.id}",
            )
            if made is None:
                return False
            await shelf.ask_review(tx, made)
        return True

    async def _asker(self, request: Resolved) -> tuple[str, str]:
        """Language and name of whoever asked: the next one who asks will speak alike."""
        async with self._db.read() as tx:
            person = await people.by_id(tx, request.requester_id)
        return (person.language, person.name) if person else (DEFAULT_LANGUAGE, "")


def _bare(request: Resolved, name: str) -> Resolved:
    """The request without secrets and without whoever asked: the article is for everybody."""
    said = (request.title, request.body, request.comment)
    title, body, comment = (without_name(redacted(words), name) for words in said)
    return replace(request, title=title, body=body, comment=comment)


def _by_template(request: Resolved, language: str) -> str:
    values = {"body": request.body or request.title, "resolution": request.comment}
    return say(Text("kb_article_of_request", values), language)
