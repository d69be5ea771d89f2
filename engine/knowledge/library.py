"""The published articles in memory, ready to be asked.

The rows are the truth: the index follows them, whoever changed them.  It is built beside the event
loop and never inside a transaction; until it is ready, asking says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from engine.knowledge.articles import Article
from engine.knowledge.confidence import UNVOTED
from engine.knowledge.nearness import Nearness
from engine.knowledge.refit import Vote, refit
from engine.knowledge.search import Answer, Search
from engine.knowledge.settings import KnowledgeSettings
from storage import answers, articles
from storage.articles import ANSWERS, Marker
from storage.database import Database, Transaction

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MOST_VOTES = 5_000
"""The newest votes that count; fitting them takes about 0.3 s, in a thread."""
_ANEW = 200
"""Changed articles beyond which a new index is built while the old one goes on answering."""
_AT_ONCE = 500
"""Articles read in one statement."""


@dataclass(frozen=True)
class Held:
    """An article in the index: its row, and the version of its words."""

    id: int
    version: int
    answers: bool
    """Whether it may answer a question; a warning may not."""


@dataclass(frozen=True)
class Asked:
    """What the library says to a question.

    ``answer`` is of articles and runbooks, ``warning`` of anti-patterns; ``held`` has the row of
    each article in them by key, as it was when the question was asked.
    """

    answer: Answer
    warning: Answer
    held: Mapping[str, Held]


class Library:
    """One per process."""

    def __init__(
        self,
        db: Database,
        settings: KnowledgeSettings | None = None,
        nearness: Nearness | None = None,
    ) -> None:
        self.settings = settings or KnowledgeSettings()
        self._nearness = nearness
        self.version = 0
        """One more with each change of what it may say."""
        self._db = db
        self._index: _Index | None = None
        self._marker: Marker | None = None
        self._votes: list[tuple[int, bool | None]] = []
        self._turn = asyncio.Lock()
        # One thread: the index is asked and changed by one at a time, without locks.
        self._thread = ThreadPoolExecutor(1, "library")

    @property
    def ready(self) -> bool:
        """Whether the articles have been read."""
        return self._index is not None

    def __len__(self) -> int:
        return len(self._index.held) if self._index else 0

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False)

    async def ask(self, question: str, most: int = 3) -> Asked | None:
        """The nearest articles; None while the articles are still being read.

        With an embedding model it may take ``embed_s``: not in a transaction.
        """
        if self._index is None:
            return None
        near = await self._nearness.nearest(question) if self._nearness else ()
        return await self._alone(self._index.ask, question, most, near, self.settings.answer_at)

    async def standing(self) -> list[Article]:
        """The articles that may answer, as they are held now."""
        return await self._alone(self._index.answers.articles) if self._index else []

    async def refresh(self) -> bool:
        """Follow the rows. Gives whether anything had changed."""
        async with self._turn:
            async with self._db.read() as tx:
                # First of all, so that what is committed meanwhile is seen the next time.
                marker = await articles.marker(tx)
                if marker == self._marker:
                    return False
                standing = await articles.published(tx)
                votes = await answers.votes(tx, MOST_VOTES)
                changed = self._changed(standing)
                rows = await _read(tx, changed)
            before = self._index
            gone = before is not None and any(
                row.id not in standing for row in before.held.values()
            )
            index = await self._follow(standing, rows)
            fitted = await self._fit(index, votes)
            self._index, self._marker = index, marker
            # A draft changes nothing that is said: nobody has to ask again for it.
            if before is None or rows or gone or fitted:
                self.version += 1
            return True

    def _changed(self, standing: Mapping[int, int]) -> list[int]:
        held = {row.id: row.version for row in self._index.held.values()} if self._index else {}
        changed = [number for number, version in standing.items() if held.get(number) != version]
        return list(standing) if len(changed) > _ANEW else changed

    async def _follow(self, standing: Mapping[int, int], rows: list[articles.Article]) -> _Index:
        if self._index is None or len(rows) > _ANEW:
            return await asyncio.to_thread(_Index, rows)
        index = self._index
        gone = [key for key, row in index.held.items() if row.id not in standing]
        for key in gone:
            await self._alone(index.drop, key)
        for row in rows:
            await self._alone(index.put, row)
        return index

    async def _fit(self, index: _Index, votes: list[answers.Answer]) -> bool:
        """The confidence anew from the votes; False: there are no others than before."""
        said = [(vote.id, vote.solved) for vote in votes]
        other = said != self._votes
        if other or index is not self._index:
            cast = [Vote(each.article, each.evidence, bool(each.solved)) for each in votes]
            index.answers.calibration = await asyncio.to_thread(refit, cast) if cast else UNVOTED
        self._votes = said
        return other

    async def _alone(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        call = partial(work, *given, **named)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


class _Index:
    """Two searches: what may answer, and what warns. Used by one thread at a time."""

    def __init__(self, rows: Iterable[articles.Article]) -> None:
        self.answers = Search()
        self.warnings = Search()
        self.held: dict[str, Held] = {}
        for row in rows:
            self.put(row)

    def put(self, row: articles.Article) -> None:
        """Take an article in, in place of what had its key."""
        self.drop(row.key)
        held = Held(row.id, row.version, row.kind in ANSWERS)
        self.held[row.key] = held
        try:
            self._side(held).put(Article(row.key, row.title, row.body, row.questions))
        # The boundary: one article that cannot be read must not keep the others from being found.
        except Exception:  # noqa: BLE001
            _log.exception("library: %s is left out until its words change", row.key)

    def drop(self, key: str) -> None:
        """Leave an article out."""
        held = self.held.pop(key, None)
        if held is not None:
            self._side(held).remove(key)

    def ask(self, question: str, most: int, near: Sequence[str], keep: float) -> Asked:
        """What both sides say."""
        said = [self.answers.ask(question, most, near, keep), self.warnings.ask(question, most)]
        keys = [found.article.key for answer in said for found in answer.found]
        return Asked(said[0], said[1], {key: self.held[key] for key in keys})

    def _side(self, held: Held) -> Search:
        return self.answers if held.answers else self.warnings


async def _read(tx: Transaction, ids: list[int]) -> list[articles.Article]:
    found = []
    for start in range(0, len(ids), _AT_ONCE):
        found += await articles.some(tx, ids[start : start + _AT_ONCE])
    return found
