"""Everything that the bot knows, as one part: the library, and what fills it and asks it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from engine.knowledge.answering import Answering
from engine.knowledge.drafts import Drafts
from engine.knowledge.learning import Learning
from engine.knowledge.library import Library
from engine.knowledge.nearness import Nearness
from engine.knowledge.settings import KnowledgeSettings
from engine.knowledge.writing import Writer
from engine.language.model import ModelSettings
from engine.requests.desk import Desk
from storage.database import Database

_LEARN_EVERY_S = 60.0
"""Seconds between looks for repairs that ended; each end is announced as well."""
_NEAR_EVERY_S = 2.0
"""Seconds between looks for articles without vectors, and for a model that has come back."""


class Knowledge:
    """Built once. Its loops run beside everything else and hold nothing up."""

    def __init__(
        self,
        db: Database,
        settings: KnowledgeSettings | None = None,
        models: ModelSettings | None = None,
        desk: Desk | None = None,
    ) -> None:
        settings = settings or KnowledgeSettings()
        self.settings = settings
        self.nearness = Nearness(settings, models) if settings.embeddings else None
        self.library = Library(db, settings, self.nearness)
        self.writer = Writer(models, settings.write_s)
        self.drafts = Drafts(db, self.writer, settings)
        self.learning = Learning(db, self.writer, settings)
        self._answering = Answering(db, self.library, desk)
        self._db = db
        self._turn = asyncio.Lock()

    async def answer(self) -> int:
        """Follow the articles and look at every open question; gives how many were answered."""
        await self._answering.take_back()
        return await self._answer(every=True)

    async def _answer(self, *, every: bool) -> int:
        async with self._turn:
            await self.library.refresh()
            return await self._answering.run_once(every=every)

    async def serve(self, our_turn: Callable[[], bool]) -> None:
        """Follow the articles, and answer requests when it is our turn; until cancelled."""
        async with self._db.listen("articles", "requests") as news:
            while True:
                news.clear()
                if our_turn():
                    await self._answer(every=False)
                else:
                    async with self._turn:
                        await self.library.refresh()
                await _news(news, self.settings.refresh_s)

    async def serve_learning(self) -> None:
        """Learn from repairs as they end, until cancelled."""
        async with self._db.listen("learning") as news:
            while True:
                news.clear()
                await self.learning.run_once()
                await _news(news, _LEARN_EVERY_S)

    async def serve_nearness(self) -> None:
        """Make the vectors of articles as they change, until cancelled."""
        if self.nearness is None:
            await asyncio.Event().wait()
            return
        await self.nearness.start()
        version = -1
        while True:
            # Also without a change: the model may have come back.
            if self.library.ready and (version != self.library.version or not self.nearness.ok):
                seen = self.library.version
                if await self.nearness.follow(await self.library.standing()):
                    version = seen
            await asyncio.sleep(_NEAR_EVERY_S)

    async def stop(self) -> None:
        """End drafts, models and threads."""
        if self.nearness is not None:
            await self.nearness.stop()
        await self.drafts.stop()
        await self.writer.stop()
        self.library.close()


async def _news(news: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        # Not wait_for: on Python 3.11 it loses a cancel that comes with news.
        async with asyncio.timeout(seconds):
            await news.wait()
