"""Articles that mean the same as a question, by an embedding model: a help to the words.

The vectors follow the articles beside everything else.  A question gets what is ready within its
time; a model that is slow, dead or wrong costs nothing but its help.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from engine.knowledge.articles import Article
from engine.knowledge.page import LONGEST_QUESTION, LONGEST_TITLE, MOST_QUESTIONS
from engine.knowledge.passages import sentences
from engine.knowledge.question import LONGEST
from engine.knowledge.settings import KnowledgeSettings
from engine.language.model import LONGEST_WAIT_S, ModelSettings
from prompts.texts import Text, say, text

if TYPE_CHECKING:
    from engine.knowledge.embedding import Embedding
    from engine.knowledge.vectors import Vector, Vectors

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

NEAREST = 10
"""Articles that join those found by words."""
PASSAGE = 400
"""Characters of a passage beside its title: together within the 512 tokens that are read."""
MOST_PASSAGES = 60
"""Passages of an article that are read, of full size: more than the longest that can be written."""
FIRST_REST_S = 1.0
"""How long a model that did not answer in time is left alone; doubled each time it fails again."""
_FALLS = 2
"""Times that an article may be in work when the model falls; then it is left to words."""
_NOT_INSTALLED = "numpy is not installed; install it (pip install 'watchstander[model]')"


class Nearness:
    """One per process. ``settings.embeddings`` must name a file."""

    def __init__(
        self,
        settings: KnowledgeSettings,
        models: ModelSettings | None = None,
        most_bytes: int | None = None,
    ) -> None:
        assert settings.embeddings is not None
        self.settings = settings
        self._embedding: Embedding | None = None
        self._vectors: Vectors | None = None
        self._room = most_bytes
        self._edition = 0
        self._made: dict[str, Article] = {}
        self._left: set[str] = set()
        self._falls: Counter[Article] = Counter()
        self._standing = 0
        self._whole = False
        self._rest_until = 0.0
        self._rest_s = FIRST_REST_S
        self._asking: set[asyncio.Task[Vector | None]] = set()
        # One thread: vectors are compared and changed by one at a time, without locks.
        self._thread = ThreadPoolExecutor(1, "nearness")
        try:
            from engine.knowledge.embedding import Embedding
        except ImportError:
            return
        self._embedding = Embedding(settings.embeddings, settings.embeddings_sha256, models)

    @property
    def ok(self) -> bool:
        """False while questions are left to words because of the model."""
        return self._embedding is not None and self._embedding.ok and not self._resting

    @property
    def condition(self) -> Text:
        """How it is, for operators."""
        if self._embedding is None:
            return text("link_trouble", why=_NOT_INSTALLED)
        if not self._embedding.ok:
            return self._embedding.condition
        if self._resting:
            return text("link_embeddings_resting", seconds=f"{self.settings.embed_s:g}")
        return text(
            "link_embeddings_up",
            detail=self._embedding.condition,
            made=len(self._made) - len(self._left),
            count=self._standing,
            left=len(self._left),
        )

    @property
    def detail(self) -> str:
        """``condition`` in English, for logs and the command line."""
        return say(self.condition, "en")

    @property
    def whole(self) -> bool:
        """Whether every article has had its turn; before that no question is asked."""
        return self._whole

    @property
    def pid(self) -> int | None:
        """The process that holds the model; None while there is none."""
        return self._embedding.pid if self._embedding else None

    async def start(self, wait_s: float = 0.0) -> None:
        """Start loading the model, and wait a little for it."""
        if self._embedding is not None:
            await self._embedding.start(wait_s)

    async def stop(self) -> None:
        """End the model's process and the thread."""
        if self._embedding is not None:
            await self._embedding.stop()
        await asyncio.gather(*self._asking)
        self._thread.shutdown(wait=False)

    async def tried(self) -> str:
        """Load the model, try it and end it: what is wrong with it, or ""."""
        try:
            return await self._embedding.tried() if self._embedding else _NOT_INSTALLED
        finally:
            await self.stop()

    async def follow(self, articles: Sequence[Article]) -> bool:
        """Make the vectors that are missing and drop those of what is gone.

        Gives whether that came to its end; when the model falls, the rest waits for the next call.
        One call at a time.
        """
        self._standing = len(articles)
        if self._embedding is None or not await self._embedding.settle():
            return False
        if self._edition != self._embedding.edition or self._vectors is None:
            self._begin(self._embedding)
        keys = {article.key for article in articles}
        for key in [key for key in self._made if key not in keys]:
            await self._leave(key)
        for article in articles:
            if self._made.get(article.key) != article and not await self._take(article):
                return False
        self._whole = True
        return True

    async def nearest(self, question: str, *, patient: bool = False) -> tuple[str, ...]:
        """The keys of the articles nearest in meaning, the best first; none when not in time.

        ``patient``: wait for the model however long it takes, to measure it.
        """
        question = question[:LONGEST].strip()
        embedding, vectors = self._embedding, self._vectors
        if not question or not self._whole or vectors is None or embedding is None:
            return ()
        asked = embedding.vector(question)
        vector = await (asked if patient else self._in_time(asked))
        if vector is None:
            return ()
        return tuple(await self._alone(vectors.nearest, vector, NEAREST))

    async def _in_time(self, asked: Coroutine[Any, Any, Vector | None]) -> Vector | None:
        """What comes within ``embed_s``. The model is not stopped for it, but then left alone."""
        if self._resting:
            asked.close()
            return None
        task = asyncio.create_task(asked, name="embedding")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        done, _ = await asyncio.wait({task}, timeout=self.settings.embed_s)
        if done:
            found = task.result()
            if found is not None:
                self._rest_s = FIRST_REST_S
            return found
        if not self._resting:  # of several that waited, one counts
            self._rest_until = time.monotonic() + self._rest_s
            self._rest_s = min(self._rest_s * 2, LONGEST_WAIT_S)
        return None

    @property
    def _resting(self) -> bool:
        return time.monotonic() < self._rest_until

    def _begin(self, embedding: Embedding) -> None:
        """Nothing that was made before compares with what the model says now."""
        from engine.knowledge.vectors import MOST_BYTES, Vectors

        self._edition, self._whole = embedding.edition, False
        self._made.clear()
        self._left.clear()
        self._vectors = Vectors(embedding.size, self._room or MOST_BYTES)

    async def _leave(self, key: str) -> None:
        assert self._vectors is not None
        del self._made[key]
        self._left.discard(key)
        await self._alone(self._vectors.drop, key)

    async def _take(self, article: Article) -> bool:
        """An article's vectors; False when the model fell over it and is to be waited for."""
        assert self._embedding is not None and self._vectors is not None
        texts = texts_of(article)
        if self._falls[article] >= _FALLS or len(texts) > self._vectors.room:
            why = "the model falls over it" if self._falls[article] else "there is no room for more"
            _log.warning("embeddings: %s is found by words alone: %s", article.key, why)
            await self._keep(article, [])
            self._left.add(article.key)
            return True
        made = []
        for each in texts:
            vector = await self._embedding.vector(each)
            if vector is not None:
                made.append(vector)
            elif not self._embedding.ok:
                self._falls[article] += 1
                return False
        del self._falls[article]
        await self._keep(article, made)
        self._left.discard(article.key)
        return True

    async def _keep(self, article: Article, made: list[Vector]) -> None:
        assert self._vectors is not None
        await self._alone(self._vectors.put, article.key, made)
        self._made[article.key] = article

    async def _alone(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        call = partial(work, *given, **named)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def texts_of(article: Article) -> list[str]:
    """What of an article gets a vector: its title, its likely questions, its passages."""
    title = article.title[:LONGEST_TITLE]
    asked = [text[:LONGEST_QUESTION] for text in article.questions[:MOST_QUESTIONS]]
    found = [title, *asked, *(f"{title}\n{passage}" for passage in _passages(article.body))]
    return [text for text in dict.fromkeys(found) if text.strip()]


def _passages(body: str) -> Iterator[str]:
    """Whole sentences together, up to PASSAGE characters."""
    start = end = 0
    for sentence in sentences(body[: PASSAGE * MOST_PASSAGES]):
        if sentence.end - start > PASSAGE and end > start:
            yield body[start:end]
            start = sentence.start
        end = sentence.end
    if end > start:
        yield body[start:end]
