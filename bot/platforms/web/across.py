"""The web room across the processes on one database: what another wrote is shown here too.

Each process pushes to its own sockets alone.  It hears the keys of messages that others committed
and reads them; after the link between the processes broke it looks back, and since a connection
knows what it was shown, looking back shows nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from bot.platforms.web.hub import Hub
from storage import messages, presences
from storage.database import Database
from storage.messages import Message

log = logging.getLogger(__name__)

PRESENCE_S = 30.0
"""Seconds that an agent's presence outlasts a process that was killed."""
_AT_ONCE = 200
_PAUSE_S = 1.0


class Across:
    """Joins this process's hub to the others. With a database of its own it has nothing to do."""

    def __init__(self, db: Database, hub: Hub) -> None:
        self._db = db
        self._hub = hub
        self._me = secrets.token_hex(8)
        self._told: dict[str, bool] = {}
        """Keys of messages that are to be shown; whether they were only rewritten."""
        self._missed = False
        self._news = asyncio.Event()
        db.hear(messages.NEWS, self._heard)

    async def agent_here(self, room_id: int, name: str) -> bool:
        """Whether an agent listens in a room, through any process."""
        if (room_id, name) in self._hub.agents():
            return True
        if not self._db.is_shared:
            return False
        async with self._db.read() as tx:
            return await presences.anywhere(tx, room_id, name)

    async def serve_news(self) -> None:
        """Show what the others write, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            told, self._told = self._told, {}
            missed, self._missed = self._missed, False
            try:
                await self._show(told, missed)
            # The boundary: a database that is away for a moment must not end this for good.
            except Exception:
                log.exception("web room: what other processes wrote is looked at again")
                self._told = told | self._told
                self._miss()
                await asyncio.sleep(_PAUSE_S)

    async def serve_presence(self) -> None:
        """Tell the others which agents are connected here, until cancelled."""
        while self._db.is_shared:
            self._hub.agents_changed.clear()
            try:
                await self._keep_presence(self._hub.agents())
            # The boundary: as above; the next round says it again.
            except Exception:
                log.exception("web room: the presence of agents could not be told")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PRESENCE_S / 3):
                    await self._hub.agents_changed.wait()

    async def leave(self) -> None:
        """Nobody is connected here any more."""
        if not self._db.is_shared:
            return
        # The boundary: without it the presence ends by itself a little later.
        try:
            await self._keep_presence(set())
        except Exception:
            log.exception("web room: the presence of agents could not be taken back")

    async def _keep_presence(self, present: set[tuple[int, str]]) -> None:
        async with self._db.write() as tx:
            await presences.keep(tx, self._me, present, round(PRESENCE_S * 1000))

    def _heard(self, words: str) -> None:
        kind, what = words[:1], words[1:]
        if kind == messages.SESSION_ENDED:
            self._hub.end_session(int(what))
        elif not kind:
            self._miss()
        elif len(self._hub):
            rewritten = kind == messages.REWRITTEN
            self._told[what] = rewritten and self._told.get(what, True)
            self._news.set()

    def _miss(self) -> None:
        self._missed = True
        self._news.set()

    async def _show(self, told: dict[str, bool], missed: bool) -> None:
        if missed:
            await self._hub.recheck()
            for room, floor in self._hub.floors().items():
                await self._look_back(room, floor)
        keys = list(told)
        for start in range(0, len(keys), _AT_ONCE):
            with self._hub.noting() as pushed:
                async with self._db.read() as tx:
                    page = [
                        await messages.by_key(tx, key) for key in keys[start : start + _AT_ONCE]
                    ]
            self._push([one for one in page if one is not None], told, pushed)

    async def _look_back(self, room: int, floor: int) -> None:
        after = floor - 1
        while True:
            with self._hub.noting() as pushed:
                async with self._db.read() as tx:
                    page = await messages.since(tx, room, after, _AT_ONCE)
            self._push(page, None, pushed)
            if len(page) < _AT_ONCE:
                return
            after = page[-1].id

    def _push(self, page: list[Message], told: dict[str, bool] | None, pushed: set[int]) -> None:
        for message in page:
            if message.id in pushed:
                # Our own process rewrote it while it was read: which one is newer, a look tells.
                self._told[message.key] = True
                self._news.set()
            elif told is None:
                self._hub.push(message, missed=True)
            else:
                self._hub.push(message, updated=told[message.key])
