"""How the bot itself is: its database, its disk, its loops. For /readyz, /status and /metrics.

The database is asked to *write*, not only to answer: a full disk and a server that only reads are
as bad as none.  A look that gets no answer never holds up whoever asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handlers.services import Link
from prompts.texts import say, text
from storage import health
from storage.database import Away, Database, Transaction
from storage.health import Waits

log = logging.getLogger(__name__)

_FRESH_S = 1.0
"""Seconds a look is good for: /readyz asks for no token, so nobody may make it write at will."""
_EVERY_S = 15.0
_MB = 1_000_000
_SET_BACK_MS = 2_000
_FAR_OFF_MS = 3_600_000


@dataclass(frozen=True)
class HealthSettings:
    """What counts as well."""

    answer_s: float = 1.5
    """Seconds /readyz and /metrics wait for the database."""

    grace_s: float = 5.0
    """Seconds for which a slow answer is forgiven after a good one; then the database is away."""

    least_free_mb: int = 200
    """Free space in the folders of the database file and of the checkpoints below which /readyz and
    /status warn."""

    behind_s: float = 120.0
    """Seconds after which a message that nobody has handled, or a card not sent, is told."""

    stuck_s: float = 30.0
    """Seconds without a turn after which a loop counts as stuck; each turns about once a second."""


Turned = Callable[[], float]
"""The monotonic moment of a loop's last turn."""


class Readiness:
    """Looks at the database, the disk and the loops, and tells what it saw."""

    def __init__(
        self,
        db: Database,
        settings: HealthSettings,
        folders: Sequence[Path],
        loops: Mapping[str, Turned],
        ours: Callable[[str], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``folders`` are looked at for space; ``ours`` tells whether this process runs a loop."""
        self._db = db
        self._settings = settings
        self._folders = folders
        self._loops = loops
        self._ours = ours
        self._monotonic = monotonic
        self._looking: asyncio.Task[None] | None = None
        self._begun = monotonic() - _FRESH_S
        self._good: float | None = None
        self._trouble = ""
        self.waits = Waits(0, 0)
        self.free: Mapping[Path, int] = {}
        """Bytes of space, by folder, as of the last look."""
        self.unsigned = ""
        """Why the audit chain could not be signed the last time; "" when it was."""
        self._told: dict[str, bool] = {}
        self._now: int | None = None
        """The database's time of the last look, milliseconds since 1970."""

    async def serve(self) -> None:
        """Look now and then, and log what changed; until cancelled."""
        try:
            while True:
                await self.look()
                self._log()
                await asyncio.sleep(_EVERY_S)
        finally:
            if self._looking is not None:
                self._looking.cancel()
                await asyncio.wait({self._looking}, timeout=1)

    async def look(self) -> None:
        """Look now, or join a look that is under way; ends in time, whatever the database does."""
        if self._looking is None or self._looking.done():
            if self._monotonic() - self._begun < _FRESH_S:
                return
            self._begun = self._monotonic()
            self._looking = asyncio.create_task(self._look(), name="health")
        await asyncio.wait({self._looking}, timeout=self._settings.answer_s)

    async def _look(self) -> None:
        self.free = await asyncio.to_thread(_free, self._folders)
        try:
            async with self._db.read() as tx:
                self.waits = await health.waits(tx)
            async with self._db.write(urgent=True) as tx:
                await health.prove(tx)
                await self._mind_the_clock(tx)
        except Away as away:
            self._trouble, self._good = str(away), None
        # The boundary: the one who reports faults must not be silenced by one.
        except Exception as error:
            log.exception("health: the look failed")
            self._trouble, self._good = f"{type(error).__name__}: {error}", None
        else:
            self._trouble, self._good = "", self._monotonic()

    async def _mind_the_clock(self, tx: Transaction) -> None:
        """A clock that was set back would keep postponed messages waiting for as long."""
        before, self._now = self._now, tx.now
        if before is not None and tx.now >= before - _SET_BACK_MS:
            return
        # What happened while no process ran is known only by how far off it is.
        freed = await health.set_right(tx, _FAR_OFF_MS if before is None else 0)
        if before is not None:
            back = (before - tx.now) / 1000
            log.warning("the clock was set back by %.0f s; %s messages go on", back, freed)

    def states(self) -> list[Link]:
        """Everything, as of the last look."""
        links = [self._database(), *(self._loop(name) for name in self._loops), self._waiting()]
        if self.free:
            links.append(self._disk())
        if self.unsigned:
            why = text("link_unsigned", why=self.unsigned)
            links.append(Link(text("link_audit"), False, why, needed=False))
        return links

    def troubles(self) -> list[Link]:
        """The database, and of the rest only what is not well: for /status."""
        database, *rest = self.states()
        return [database, *(link for link in rest if not link.ok)]

    def _database(self) -> Link:
        name = text("link_database")
        silent = self._monotonic() - (self._begun if self._good is None else self._good)
        if self._trouble:
            return Link(name, False, text("link_database_away", why=self._trouble))
        if self._looking is not None and not self._looking.done():
            forgiven = self._good is not None and silent < self._settings.grace_s
            return Link(name, forgiven, text("link_database_silent", seconds=round(silent, 1)))
        if self._good is None:
            return Link(name, False, text("link_connecting"))
        return Link(name, True, text("link_database_up"))

    def _loop(self, name: str) -> Link:
        shown = text(f"link_loop_{name}")
        if not self._ours(name):
            return Link(shown, True, text("link_loop_elsewhere"))
        still = self._monotonic() - self._loops[name]()
        if still > self._settings.stuck_s:
            return Link(shown, False, text("link_loop_stuck", seconds=round(still)))
        if name == "inbox" and self.waits.inbox_ms > self._settings.behind_s * 1000:
            behind = text("link_loop_behind", seconds=self.waits.inbox_ms // 1000)
            return Link(shown, False, behind)
        return Link(shown, True, text("link_loop_turns"))

    def _waiting(self) -> Link:
        """A room that is away says so itself; this is about what is late for any other cause."""
        late = self.waits.outbox_ms > self._settings.behind_s * 1000
        told = text("link_outbox_age", seconds=self.waits.outbox_ms // 1000)
        return Link(text("link_outbox"), not late, told, needed=False)

    def _disk(self) -> Link:
        least, folder = min((free, str(folder)) for folder, free in self.free.items())
        enough = least >= self._settings.least_free_mb * _MB
        told = text("link_disk_free", mb=least // _MB, folder=folder, enough=enough)
        return Link(text("link_disk"), enough, told, needed=False)

    def _log(self) -> None:
        for link in self.states():
            name = say(link.name, "en")
            if self._told.get(name, True) != link.ok:
                level = logging.INFO if link.ok else logging.WARNING
                log.log(level, "%s: %s", name, say(link.detail, "en"))
            self._told[name] = link.ok


def folders(database_file: Path | None, checkpoints: Path) -> list[Path]:
    """The folders in which the bot's own files grow, each once."""
    found = [checkpoints.absolute().parent]
    if database_file is not None:
        found.insert(0, database_file.absolute().parent)
    return list(dict.fromkeys(found))


def _free(wanted: Sequence[Path]) -> dict[Path, int]:
    found: dict[Path, int] = {}
    for folder in wanted:
        # A folder that is made on the first start, or lies on a disk that is gone: no figure.
        with contextlib.suppress(OSError):
            found[folder] = shutil.disk_usage(folder).free
    return found
