"""Everything that the bot knows, as one part: the library, and what fills it and asks it."""

from __future__ import annotations

import asyncio
import contextlib

from engine.knowledge.answering import Answering
from engine.knowledge.drafts import Drafts
from engine.knowledge.learning import Learning
from engine.knowledge.library import Library
from engine.knowledge.settings import KnowledgeSettings
from engine.knowledge.writing import Writer
from engine.language.model import ModelSettings
from storage.database import Database

_LEARN_EVERY_S = 60.0
"""Seconds between looks for repairs that ended; each end is announced as well."""


class Knowledge:
    """Built once. Its loops run beside everything else and hold nothing up."""

    def __init__(
        self,
        db: Database,
        settings: KnowledgeSettings | None = None,
        models: ModelSettings | None = None,
    ) -> None:
        settings = settings or KnowledgeSettings()
        self.settings = settings
        self.library = Library(db, settings)
        self.writer = Writer(models, settings.write_s)
        self.drafts = Drafts(db, self.writer, settings)
        self.learning = Learning(db, self.writer, settings)
        self._answering = Answering(db, self.library)
        self._db = db
        self._turn = asyncio.Lock()

    async def answer(self) -> int:
        """Follow the articles and answer open questions; gives how many were answered."""
        async with self._turn:
            await self.library.refresh()
            return await self._answering.run_once()

    async def serve(self) -> None:
        """Follow articles and requests as they come, until cancelled."""
        async with self._db.listen("articles", "requests") as news:
            while True:
                news.clear()
                await self.answer()
                await _news(news, self.settings.refresh_s)

    async def serve_learning(self) -> None:
        """Learn from repairs as they end, until cancelled."""
        async with self._db.listen("learning") as news:
            while True:
                news.clear()
                await self.learning.run_once()
                await _news(news, _LEARN_EVERY_S)

    async def stop(self) -> None:
        """End drafts, models and threads."""
        await self.drafts.stop()
        await self.writer.stop()
        self.library.close()


async def _news(news: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        # Not wait_for: on Python 3.11 it loses a cancel that comes with news.
        async with asyncio.timeout(seconds):
            await news.wait()
