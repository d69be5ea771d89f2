"""A storm of 1,000 alerts of 50 fingerprints, half of them flapping, sent by HTTP side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

REPORTS = 20
"""Of each fingerprint: 20 times firing, or ten times firing and ten times over."""
CONNECTIONS = 50

_TIMEOUT = ("upstream request timed out after 30 s", {"instance": "pay-stg-01:9100"})
_OOM = ("Out of memory: Killed process 4711 (java)", {"container": "shop-app"})
_DATABASE = ("could not connect to postgres: Connection refused", {"instance": "pay-was-01:9100"})
_DNS = ("lookup pay-db-01 on 10.0.0.2:53: no such host", {"instance": "pay-was-01:9100"})
_BUSY = ("crawler: HTTP 429 Too Many Requests", {"job": "crawler"})
_DRIVE = ("Google Drive: token has been expired or revoked", {"job": "backup"})
_ODD = ("the moon is in the wrong phase", {"job": "moon"})
_KINDS = [*[_TIMEOUT] * 10, *[_OOM] * 6, *[_DATABASE] * 6, *[_DNS] * 6, *[_BUSY] * 6,
          *[_DRIVE] * 6, *[_ODD] * 10]  # fmt: skip

SENDERS = (range(25), range(25, 35), range(35, 45), range(45, 50))
"""Each keeps the order of what it sends of one fingerprint, as an Alertmanager does."""


@dataclass(frozen=True)
class Thing:
    """What is reported under one fingerprint."""

    number: int

    @property
    def fingerprint(self) -> str:
        return f"f{self.number:02d}"

    @property
    def labels(self) -> dict[str, str]:
        more = _KINDS[self.number][1]
        return {"alertname": f"Alert{self.number}", "severity": "critical", **more}

    @property
    def summary(self) -> str:
        return _KINDS[self.number][0]

    @property
    def flaps(self) -> bool:
        return self.number % 2 == 1

    def fires(self, turn: int) -> bool:
        """Flapping: over, firing, over … firing for some, the other way round for the others."""
        return not self.flaps or (turn + self.number // 2) % 2 == 1

    @property
    def ends_firing(self) -> bool:
        return self.fires(REPORTS - 1)

    @property
    def fired(self) -> int:
        return sum(self.fires(turn) for turn in range(REPORTS))

    def alert(self, turn: int) -> dict[str, Any]:
        return {
            "status": "firing" if self.fires(turn) else "resolved",
            "labels": self.labels,
            "annotations": {"summary": self.summary, "value": str(turn)},
            "startsAt": f"2026-11-20T09:{turn:02d}:00Z",
            "fingerprint": self.fingerprint,
        }


THINGS = tuple(Thing(number) for number in range(len(_KINDS)))


@dataclass
class Burst:
    """The sending of all of it; remembers the answers and how long each took."""

    url: str
    token: str
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)

    async def send(
        self, before_the_end: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> None:
        """Send everything. ``before_the_end`` is waited for while the last turn is held back."""
        headers = {"Authorization": f"Bearer {self.token}"}
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            held = asyncio.create_task(before_the_end()) if before_the_end else None
            await asyncio.gather(*(self._sender(session, which, held) for which in SENDERS))

    async def _sender(
        self, session: aiohttp.ClientSession, which: Sequence[int], held: asyncio.Task[Any] | None
    ) -> None:
        """In turns: one notification for all of them, then one for each, side by side."""
        for turn in range(REPORTS):
            if held is not None and turn == REPORTS - 1:
                await held
            alerts = [THINGS[number].alert(turn) for number in which]
            groups = [alerts] if turn % 2 == 0 else [[one] for one in alerts]
            await asyncio.gather(*(self._post(session, group) for group in groups))
            if turn == 0:  # as after an answer that was lost: the very same once more
                await self._post(session, alerts)

    async def _post(self, session: aiohttp.ClientSession, alerts: list[dict[str, Any]]) -> None:
        body = {"version": "4", "status": "firing", "receiver": "watchstander", "alerts": alerts}
        begun = time.perf_counter()
        async with session.post(self.url, json=body) as answer:
            self.answers.append((answer.status, await answer.json()))
        self.took_ms.append((time.perf_counter() - begun) * 1000)
