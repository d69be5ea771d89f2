"""Repairs become knowledge: a success a runbook to be reviewed, a failure a warning at once.

It runs beside the repairs and takes nothing from them: a repair has ended before it is read here,
the model is asked outside any transaction, and what cannot be written down is given up after a few
tries.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from engine.errors import RetryLater
from engine.healing.escalation import tell
from engine.knowledge import shelf
from engine.knowledge.asking import kept, likely_questions
from engine.knowledge.runbook import (
    WORDED,
    Repair,
    anti_pattern_body,
    anti_pattern_title,
    runbook_body,
    runbook_title,
    with_related,
)
from engine.knowledge.settings import KnowledgeSettings
from engine.knowledge.writing import Writer
from engine.redaction import redacted
from prompts.texts import text
from storage import actions, articles, attempts, audit, blocks, incidents, people, runbooks
from storage.articles import WATCHSTANDER, Article, Kind, Words
from storage.attempts import Attempt
from storage.database import Away, Database, Transaction
from storage.lifecycle import ArticleMove, ArticleState, AttemptState

_log = logging.getLogger(__name__)

MOST_TRIES = 3
"""Tries to learn from a repair; beyond them it is left, and the log and the audit say so."""
_BATCH = 20
_STANDING = (ArticleState.DRAFT, ArticleState.PUBLISHED)


class Learning:
    """One per process; the rows say what has been learned, so two would not repeat each other."""

    def __init__(
        self, db: Database, writer: Writer, settings: KnowledgeSettings | None = None
    ) -> None:
        self._db = db
        self._writer = writer
        self._settings = settings or KnowledgeSettings()
        self._tries: Counter[int] = Counter()

    async def run_once(self) -> int:
        """Learn from what has ended since the last time; gives how many articles were touched."""
        async with self._db.read() as tx:
            ended = await attempts.unlearned(tx, _BATCH)
            bare = await articles.unasked(tx, _BATCH)
        count = 0
        for attempt in ended:
            leave = partial(self._leave_attempt, attempt)
            count += await self._guarded(partial(self._learn, attempt), leave, attempt.id)
        for article in bare:
            leave = partial(self._ask_nothing, article)
            count += await self._guarded(partial(self._propose, article), leave, -article.id)
        return count

    async def _guarded(
        self, work: Callable[[], Awaitable[bool]], leave: Callable[[], Awaitable[None]], name: int
    ) -> bool:
        try:
            done = await work()
        except Away:
            raise
        # The boundary: one repair that cannot be written down must not keep the others back.
        except Exception:  # noqa: BLE001
            self._tries[name] += 1
            _log.exception("learning: try %s of %s failed", self._tries[name], MOST_TRIES)
            if self._tries[name] >= MOST_TRIES:
                await leave()
                del self._tries[name]
            return False
        self._tries.pop(name, None)
        return done

    async def _learn(self, attempt: Attempt) -> bool:
        repair = await self._gather(attempt)
        if attempt.state is AttemptState.SUCCEEDED and repair.action is not None:
            return await self._succeeded(repair)
        if attempt.state is AttemptState.FAILED and repair.block is not None:
            return await self._failed(repair)
        # Nothing was done (a wait, an alert), or it failed in a way that says nothing of the cure.
        async with self._db.write() as tx:
            await attempts.learned(tx, attempt.id)
        return False

    async def _gather(self, attempt: Attempt) -> Repair:
        async with self._db.read() as tx:
            action = await actions.by_id(tx, attempt.action_id) if attempt.action_id else None
            return Repair(
                await incidents.must(tx, attempt.incident_id),
                attempt,
                action,
                await people.name_of(tx, action.decided_by if action else None),
                await blocks.of_attempt(tx, attempt.id),
            )

    async def _succeeded(self, repair: Repair) -> bool:
        language = self._settings.language
        attempt = repair.attempt
        async with self._db.read() as tx:
            known = await _runbook(tx, attempt)
        title = body = ""
        asked: tuple[str, ...] = ()
        if known is None:  # the slow part: no transaction is open
            title = runbook_title(repair, language)
            body = runbook_body(repair, language, await self._words(repair))
            own = [redacted(repair.incident.summary)]
            asked = await likely_questions(self._writer, title, body, language, own)
        async with self._db.write() as tx:
            if not await attempts.learned(tx, attempt.id):
                return False
            known = await _runbook(tx, attempt)
            if known is not None:
                return await _relate(tx, known, repair)
            if not title:
                raise RetryLater("the runbook of this repair was retired a moment ago")
            made = await articles.create(
                tx,
                kind=Kind.RUNBOOK,
                title=title,
                body=body,
                language=language,
                actor=WATCHSTANDER,
                questions=asked,
                origin=f"attempt:{attempt.id}",
                symptom=attempt.symptom,
            )
            if made is None:
                return False
            await shelf.ask_review(tx, made)
            await _note(tx, repair, made)
        return True

    async def _words(self, repair: Repair) -> dict[str, str]:
        """What the model says of the sections that no row tells; a section it has none for is
        left to its template."""
        found = {}
        for section in WORDED:
            worded = await self._writer.write(
                "write_section.j2",
                section=section,
                language=self._settings.language,
                facts=runbook_body(repair, "en", {}),
            )
            if worded:
                found[section] = worded
        return found

    async def _failed(self, repair: Repair) -> bool:
        language, attempt = self._settings.language, repair.attempt
        async with self._db.write() as tx:
            if not await attempts.learned(tx, attempt.id):
                return False
            known = await runbooks.of_repairs(
                tx,
                Kind.ANTI_PATTERN,
                attempt.symptom,
                playbook="",
                action_type=attempt.action_type,
            )
            if known is not None and known.state is ArticleState.PUBLISHED:
                await blocks.told_by(tx, attempt.id, known.id)
                return await _relate(tx, known, repair)
            made = await articles.create(
                tx,
                kind=Kind.ANTI_PATTERN,
                title=anti_pattern_title(repair, language),
                body=anti_pattern_body(repair, language),
                language=language,
                actor=WATCHSTANDER,
                questions=kept([redacted(repair.incident.summary)]),
                origin=f"attempt:{attempt.id}",
                symptom=attempt.symptom,
            )
            if made is None:
                return False
            await articles.move(tx, made, ArticleMove.PUBLISH, WATCHSTANDER)
            await blocks.told_by(tx, attempt.id, made.id)
            await _note(tx, repair, made)
            words = text(
                "kb_anti_published", key=made.key, title=made.title, incident=repair.incident.key
            )
            await tell(tx, made.subject, words, urgent=False)
        return True

    async def _propose(self, article: Article) -> bool:
        asked = await likely_questions(self._writer, article.title, article.body, article.language)
        return await self._ask(article, asked)

    async def _ask_nothing(self, article: Article) -> None:
        await self._ask(article, ())

    async def _ask(self, article: Article, asked: tuple[str, ...]) -> bool:
        """Whoever edited it meanwhile knows better: then nothing is changed."""
        new = Words(questions=asked)
        async with self._db.write() as tx:
            return await articles.edit(
                tx, article, new, WATCHSTANDER, kind="propose", same_meaning=True
            )

    async def _leave_attempt(self, attempt: Attempt) -> None:
        async with self._db.write() as tx:
            if await attempts.learned(tx, attempt.id):
                subject = f"attempt:{attempt.id}"
                await audit.append(tx, WATCHSTANDER, "attempt.unlearned", subject)


async def _runbook(tx: Transaction, attempt: Attempt) -> Article | None:
    """The runbook that an earlier success of the same playbook, for the same symptom, became."""
    return await runbooks.of_repairs(
        tx, Kind.RUNBOOK, attempt.symptom, playbook=attempt.playbook, action_type=""
    )


async def _relate(tx: Transaction, article: Article, repair: Repair) -> bool:
    """Add an incident to an article that stands; one that people rejected stays as it is."""
    if article.state not in _STANDING:
        return False
    await _note(tx, repair, article)
    body = with_related(article.body, article.language, repair.incident)
    if body is None:
        return False
    done = await articles.edit(
        tx, article, Words(body=body), WATCHSTANDER, kind="related", same_meaning=True
    )
    if not done:
        raise RetryLater(f"{article.key} is being edited")
    return True


async def _note(tx: Transaction, repair: Repair, article: Article) -> None:
    """A line of the incident's timeline that leads to the article."""
    words = text("kb_told_written", key=article.key, title=article.title)
    detail = {"article": article.key, "text": words.to_json()}
    await incidents.note(tx, repair.incident.id, "article", detail)
